//! fastgw's TOML configuration: parsed, cross-checked, refused with the line and the remedy.
