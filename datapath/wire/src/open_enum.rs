//! Protocol numbers that survive being unknown.

/// Makes a type of one number with a constant for each value that is known, so that any value can
/// be kept and written again. It prints the name of a value, or the type's name and the number.
#[macro_export]
macro_rules! open_enum {
    (
        $(#[$about:meta])*
        $vis:vis $type:ident: $number:ty {
            $($(#[$doc:meta])* $constant:ident = $value:literal, $name:literal;)*
        }
    ) => {
        $(#[$about])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        $vis struct $type(pub $number);

        impl $type {
            $($(#[$doc])* pub const $constant: Self = Self($value);)*

            /// What this value is called, if it is known.
            #[must_use]
            pub const fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($value => Some($name),)*
                    _ => None,
                }
            }
        }

        impl ::core::fmt::Display for $type {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                match self.name() {
                    Some(name) => f.write_str(name),
                    None => write!(f, "{} {}", stringify!($type), self.0),
                }
            }
        }

        impl ::core::fmt::Debug for $type {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                write!(f, "{self}")
            }
        }
    };
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::string::ToString;

    crate::open_enum! {
        /// Two colours.
        Colour: u8 {
            /// The first one.
            RED = 1, "red";
            /// The second one.
            BLUE = 2, "blue";
        }
    }

    #[test]
    fn an_unknown_number_is_kept_and_printed_as_one() {
        assert_eq!((Colour::RED.to_string(), Colour(2).to_string()), ("red".into(), "blue".into()));
        assert_eq!((Colour(7).name(), Colour(7).to_string()), (None, "Colour 7".into()));
        assert_eq!(Colour(2), Colour::BLUE);
    }
}
