//! Names for jobs: the same work of the same operation has the same name, whatever happened in between.

/// A job's id: the operation's, the step's, and what it does there.
pub fn id(operation: &str, step: &str, what: &str) -> String {
    let clean = |text: &str| {
        text.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect::<String>()
    };
    format!("{}-{}-{}", clean(operation), clean(step), clean(what))
}

#[cfg(test)]
mod tests {
    #[test]
    fn an_id_is_safe_in_a_path_and_a_shell() {
        assert_eq!(super::id("0abc", "up", "a/b; c"), "0abc-up-a-b--c");
    }
}
