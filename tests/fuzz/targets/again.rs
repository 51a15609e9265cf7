//! What every target that reads and prints asserts.

use std::fmt::{Debug, Display};
use std::str::FromStr;

/// What is read from a text is printed so that it is read again the same.
pub fn again<T: FromStr + Display + PartialEq + Debug>(text: &str) {
    if let Ok(read) = text.parse::<T>() {
        let printed = read.to_string();
        assert_eq!(printed.parse::<T>().ok().as_ref(), Some(&read), "{printed:?}");
    }
}
