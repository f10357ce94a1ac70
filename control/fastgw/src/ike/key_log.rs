//! Keys for Wireshark, where the configuration asks for them: whoever reads these files reads all
//! traffic.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use ike::output::{KeyLogLine, KeyLogTable};

/// The files, each named as Wireshark names it in a profile's folder.
pub struct KeyLog {
    ikev2: File,
    ikev1: File,
    esp: File,
}

impl KeyLog {
    /// Appends to the files in `folder`, which is made if need be; only the owner may read them.
    ///
    /// # Errors
    /// The folder or a file cannot be made or opened.
    pub fn open(folder: &Path) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let open = |name: &str| {
            OpenOptions::new().append(true).create(true).mode(0o600).open(folder.join(name))
        };
        Ok(Self {
            ikev2: open("ikev2_decryption_table")?,
            ikev1: open("ikev1_decryption_table")?,
            esp: open("esp_sa")?,
        })
    }

    /// Writes a line.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&mut self, line: &KeyLogLine) -> io::Result<()> {
        let file = match line.table {
            KeyLogTable::Ikev2 => &mut self.ikev2,
            KeyLogTable::Ikev1 => &mut self.ikev1,
            KeyLogTable::Esp => &mut self.esp,
        };
        file.write_all(line.line.expose())?;
        file.write_all(b"\n")
    }
}
