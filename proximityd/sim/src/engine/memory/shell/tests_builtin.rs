//! `test`, `[` and `[[`.

use brush_parser::ast::{BinaryPredicate, ExtendedTestExpr, TestExpr, UnaryPredicate};
use futures_util::future::BoxFuture;

use super::{Fds, Flow, Shell, pattern};
use crate::engine::memory::world::files::{Files, join};
use crate::engine::memory::world::vfs::{Entry, Kind};

/// `test ARGS`: 0, 1, or a message for status 2.
pub(crate) fn evaluate(args: &[String], files: &Files, cwd: &str, fds: &Fds) -> Result<bool, String> {
    // Operators that the grammar does not know reach it as a syntax error; this is the same in bash.
    let expr = brush_parser::test_command::parse(args).map_err(|_| match args {
        [_, op, _] => format!("{op}: binary operator expected"),
        [op, _] => format!("{op}: unary operator expected"),
        _ => "too many arguments".to_owned(),
    })?;
    let world = World { files, cwd, fds };
    world.test(&expr)
}

struct World<'a> {
    files: &'a Files,
    cwd: &'a str,
    fds: &'a Fds,
}

impl World<'_> {
    fn test(&self, expr: &TestExpr) -> Result<bool, String> {
        Ok(match expr {
            TestExpr::False => false,
            TestExpr::Literal(text) => !text.is_empty(),
            TestExpr::And(left, right) => self.test(left)? && self.test(right)?,
            TestExpr::Or(left, right) => self.test(left)? || self.test(right)?,
            TestExpr::Not(inner) => !self.test(inner)?,
            TestExpr::Parenthesized(inner) => self.test(inner)?,
            TestExpr::UnaryTest(predicate, text) => self.unary(predicate, text),
            TestExpr::BinaryTest(predicate, left, right) => match predicate {
                BinaryPredicate::StringExactlyMatchesPattern => left == right,
                BinaryPredicate::StringDoesNotExactlyMatchPattern => left != right,
                _ => self.binary(predicate, left, right)?,
            },
        })
    }

    fn entry(&self, path: &str, follow: bool) -> Option<(Entry, u64)> {
        self.files.stat(&join(self.cwd, path), follow).ok()
    }

    fn unary(&self, predicate: &UnaryPredicate, text: &str) -> bool {
        let has = |check: &dyn Fn(&Entry, u64) -> bool| {
            self.entry(text, true).is_some_and(|(entry, size)| check(&entry, size))
        };
        match predicate {
            UnaryPredicate::FileExists
            | UnaryPredicate::FileExistsAndIsReadable
            | UnaryPredicate::FileExistsAndIsWritable
            | UnaryPredicate::FileExistsAndOwnedByEffectiveUserId
            | UnaryPredicate::FileExistsAndOwnedByEffectiveGroupId => has(&|_, _| true),
            UnaryPredicate::FileExistsAndIsDir => has(&|e, _| e.kind == Kind::Dir),
            UnaryPredicate::FileExistsAndIsRegularFile => has(&|e, _| matches!(e.kind, Kind::File(_))),
            UnaryPredicate::FileExistsAndIsCharSpecialFile => has(&|e, _| matches!(e.kind, Kind::Dev(_))),
            UnaryPredicate::FileExistsAndIsNotZeroLength => has(&|_, size| size > 0),
            UnaryPredicate::FileExistsAndIsExecutable => {
                has(&|e, _| e.kind == Kind::Dir || e.mode & 0o111 != 0) || self.is_program(text)
            }
            UnaryPredicate::FileExistsAndIsSetuid => has(&|e, _| e.mode & 0o4000 != 0),
            UnaryPredicate::FileExistsAndIsSetgid => has(&|e, _| e.mode & 0o2000 != 0),
            UnaryPredicate::FileExistsAndHasStickyBit => has(&|e, _| e.mode & 0o1000 != 0),
            UnaryPredicate::FileExistsAndIsSymlink => {
                self.entry(text, false).is_some_and(|(e, _)| matches!(e.kind, Kind::Link(_)))
            }
            UnaryPredicate::FileExistsAndIsSocket => {
                text.ends_with("docker.sock")
                    && crate::engine::memory::commands::systemd::is_active(&self.files.guest, "docker")
            }
            UnaryPredicate::FdIsOpenTerminal => text.parse().is_ok_and(|fd| self.fds.get(fd).is_tty()),
            UnaryPredicate::StringHasZeroLength => text.is_empty(),
            UnaryPredicate::StringHasNonZeroLength => !text.is_empty(),
            _ => false,
        }
    }

    fn is_program(&self, path: &str) -> bool {
        self.files.root.prefix.is_empty()
            && crate::engine::memory::commands::program_at(&self.files.guest, path).is_some()
    }

    fn binary(&self, predicate: &BinaryPredicate, left: &str, right: &str) -> Result<bool, String> {
        let number = |text: &str| {
            text.trim().parse::<i64>().map_err(|_| format!("{text}: integer expression expected"))
        };
        let times = || {
            let time = |path: &str| self.entry(path, true).map(|(e, _)| e.mtime);
            (time(left), time(right))
        };
        Ok(match predicate {
            BinaryPredicate::StringExactlyMatchesString => left == right,
            BinaryPredicate::StringDoesNotExactlyMatchString => left != right,
            BinaryPredicate::StringExactlyMatchesPattern => pattern::matches(right, left),
            BinaryPredicate::StringDoesNotExactlyMatchPattern => !pattern::matches(right, left),
            BinaryPredicate::StringContainsSubstring => left.contains(right),
            BinaryPredicate::StringMatchesRegex => regex::Regex::new(right)
                .map_err(|_| format!("{right}: invalid regular expression"))?
                .is_match(left),
            BinaryPredicate::LeftSortsBeforeRight => left < right,
            BinaryPredicate::LeftSortsAfterRight => left > right,
            BinaryPredicate::ArithmeticEqualTo => number(left)? == number(right)?,
            BinaryPredicate::ArithmeticNotEqualTo => number(left)? != number(right)?,
            BinaryPredicate::ArithmeticLessThan => number(left)? < number(right)?,
            BinaryPredicate::ArithmeticLessThanOrEqualTo => number(left)? <= number(right)?,
            BinaryPredicate::ArithmeticGreaterThan => number(left)? > number(right)?,
            BinaryPredicate::ArithmeticGreaterThanOrEqualTo => number(left)? >= number(right)?,
            BinaryPredicate::FilesReferToSameDeviceAndInodeNumbers => {
                let key = |path: &str| {
                    self.files.with(&join(self.cwd, path), true, |_, key| Ok(key.to_owned())).ok()
                };
                key(left).is_some() && key(left) == key(right)
            }
            BinaryPredicate::LeftFileIsNewerOrExistsWhenRightDoesNot => match times() {
                (Some(left), Some(right)) => left > right,
                (left, _) => left.is_some(),
            },
            BinaryPredicate::LeftFileIsOlderOrDoesNotExistWhenRightDoes => match times() {
                (Some(left), Some(right)) => left < right,
                (_, right) => right.is_some(),
            },
        })
    }
}

impl Shell {
    /// `[[ … ]]`
    pub(super) fn extended_test<'a>(
        &'a mut self,
        expr: &'a ExtendedTestExpr,
    ) -> BoxFuture<'a, Result<i32, Flow>> {
        Box::pin(async move {
            let truth = match expr {
                ExtendedTestExpr::And(left, right) => {
                    self.extended_test(left).await? == 0 && self.extended_test(right).await? == 0
                }
                ExtendedTestExpr::Or(left, right) => {
                    self.extended_test(left).await? == 0 || self.extended_test(right).await? == 0
                }
                ExtendedTestExpr::Not(inner) => self.extended_test(inner).await? != 0,
                ExtendedTestExpr::Parenthesized(inner) => self.extended_test(inner).await? == 0,
                ExtendedTestExpr::UnaryTest(UnaryPredicate::ShellVariableIsSetAndAssigned, word) => {
                    let name = self.single(&word.value).await?;
                    self.get(&name).is_some()
                }
                ExtendedTestExpr::UnaryTest(predicate, word) => {
                    let text = self.single(&word.value).await?;
                    World { files: &self.files, cwd: &self.cwd, fds: &self.fds }.unary(predicate, &text)
                }
                ExtendedTestExpr::BinaryTest(predicate, left, right) => {
                    let left = self.single(&left.value).await?;
                    let right = match predicate {
                        BinaryPredicate::StringExactlyMatchesPattern
                        | BinaryPredicate::StringDoesNotExactlyMatchPattern => {
                            self.pattern(&right.value).await?
                        }
                        _ => self.single(&right.value).await?,
                    };
                    let world = World { files: &self.files, cwd: &self.cwd, fds: &self.fds };
                    match world.binary(predicate, &left, &right) {
                        Ok(truth) => truth,
                        Err(error) => {
                            let _ = self.complain(&format!("[[: {error}")).await;
                            return Ok(2);
                        }
                    }
                }
            };
            Ok(i32::from(!truth))
        })
    }
}
