//! Word expansion: quoting, parameters, substitutions, field splitting, and pathnames.

use brush_parser::ast;
use brush_parser::word::{self, TildeExpr, WordPiece, WordPieceWithSource};
use futures_util::future::BoxFuture;

use super::program::{self, Program};
use super::{DEPTH_LIMIT, Flow, Shell, VALUE_LIMIT, pattern};
use crate::engine::memory::world::bytes::decode;
use crate::engine::memory::world::files::join;
use crate::engine::memory::world::stream;

/// A run of text of one field, and whether quotes protect it.
#[derive(Debug, Clone)]
struct Run {
    text: String,
    quoted: bool,
}

/// Fields under construction.
#[derive(Debug, Default)]
pub(super) struct Fields {
    done: Vec<Vec<Run>>,
    current: Option<Vec<Run>>,
    /// Splitting applies (not in assignments, patterns, here-documents).
    split: bool,
    ifs: String,
}

impl Fields {
    fn push(&mut self, text: &str, quoted: bool) {
        let current = self.current.get_or_insert_with(Vec::new);
        match current.last_mut() {
            Some(run) if run.quoted == quoted => run.text.push_str(text),
            _ => current.push(Run { text: text.to_owned(), quoted }),
        }
    }

    fn end(&mut self) {
        if let Some(field) = self.current.take() {
            self.done.push(field);
        }
    }

    /// The result of an expansion.
    pub(super) fn value(&mut self, value: &str, quoted: bool) {
        if quoted || !self.split {
            self.push(value, quoted);
            return;
        }
        let ifs = std::mem::take(&mut self.ifs);
        let mut piece = String::new();
        let mut chars = value.chars().peekable();
        while let Some(c) = chars.next() {
            if !ifs.contains(c) {
                piece.push(c);
                continue;
            }
            if !piece.is_empty() {
                self.push(&std::mem::take(&mut piece), false);
            }
            if c.is_whitespace() {
                while chars.peek().is_some_and(|c| c.is_whitespace() && ifs.contains(*c)) {
                    chars.next();
                }
                if chars.peek().is_some_and(|c| ifs.contains(*c)) && self.current.is_some() {
                    chars.next();
                }
                self.end();
            } else {
                self.current.get_or_insert_with(Vec::new);
                self.end();
                while chars.peek().is_some_and(|c| c.is_whitespace() && ifs.contains(*c)) {
                    chars.next();
                }
            }
        }
        if !piece.is_empty() {
            self.push(&piece, false);
        }
        self.ifs = ifs;
    }

    /// `"$@"`, `$*` and their like.
    pub(super) fn list(&mut self, values: &[String], quoted: bool, joined: bool) {
        if quoted && joined || !self.split {
            let separator = if joined { self.ifs.chars().next().map(String::from) } else { None };
            self.push(&values.join(separator.as_deref().unwrap_or(" ")), quoted);
            return;
        }
        for (index, value) in values.iter().enumerate() {
            if index > 0 {
                self.end();
            }
            if quoted {
                self.push(value, true);
            } else {
                self.value(value, false);
            }
        }
    }

    fn finish(mut self) -> Vec<Vec<Run>> {
        self.end();
        self.done
    }
}

fn is_plain(text: &str) -> bool {
    !text.contains(['$', '`', '\\', '\'', '"', '~', '*', '?', '[', '{'])
}

impl Shell {
    fn new_fields(&self, split: bool) -> Fields {
        let ifs = self.get("IFS").unwrap_or_else(|| " \t\n".to_owned());
        Fields { split, ifs, ..Fields::default() }
    }

    /// Expands command words into arguments.
    pub(super) async fn words(&mut self, words: &[&ast::Word]) -> Result<Vec<String>, Flow> {
        let mut arguments = Vec::with_capacity(words.len());
        for word in words {
            self.word(&word.value, &mut arguments).await?;
        }
        Ok(arguments)
    }

    async fn word(&mut self, text: &str, arguments: &mut Vec<String>) -> Result<(), Flow> {
        if is_plain(text) {
            arguments.push(text.to_owned());
            return Ok(());
        }
        let alternatives = match text.contains('{') {
            true => braces(text),
            false => vec![text.to_owned()],
        };
        for text in alternatives {
            let mut fields = self.new_fields(true);
            let pieces = self.pieces(&text).await?;
            self.expand(&pieces, false, &mut fields).await?;
            for field in fields.finish() {
                self.pathnames(field, arguments);
            }
        }
        Ok(())
    }

    async fn pieces(&mut self, text: &str) -> Result<Vec<WordPieceWithSource>, Flow> {
        match word::parse(text, &program::options()) {
            Ok(pieces) => Ok(pieces),
            Err(_) => self.abort(&format!("{text}: bad substitution")).await,
        }
    }

    /// Expands without splitting: assignments, redirections, `case`.
    pub(super) async fn single(&mut self, text: &str) -> Result<String, Flow> {
        if is_plain(text) {
            return Ok(text.to_owned());
        }
        let pieces = self.pieces(text).await?;
        self.joined(&pieces, false).await
    }

    /// Expands text in which quotes mean themselves: here-documents, and defaults inside double quotes.
    pub(super) async fn here_text(&mut self, text: &str) -> Result<String, Flow> {
        match word::parse_heredoc(text, &program::options()) {
            Ok(pieces) => self.joined(&pieces, true).await,
            Err(_) => self.abort("bad substitution").await,
        }
    }

    async fn joined(&mut self, pieces: &[WordPieceWithSource], quoted: bool) -> Result<String, Flow> {
        let mut fields = self.new_fields(false);
        self.expand(pieces, quoted, &mut fields).await?;
        Ok(fields.finish().into_iter().flatten().map(|run| run.text).collect())
    }

    /// Expands to a pattern: what was quoted is escaped.
    pub(super) async fn pattern(&mut self, text: &str) -> Result<String, Flow> {
        let pieces = self.pieces(text).await?;
        let mut fields = self.new_fields(false);
        self.expand(&pieces, false, &mut fields).await?;
        Ok(fields.finish().into_iter().flatten().map(run_pattern).collect())
    }

    /// Expands the word of `${x:-word}` into the fields around it.
    pub(super) async fn nested_word(
        &mut self,
        text: &str,
        quoted: bool,
        fields: &mut Fields,
    ) -> Result<(), Flow> {
        if quoted {
            let value = match text.contains('"') {
                true => self.single(text).await?,
                false => self.here_text(text).await?,
            };
            fields.value(&value, true);
            return Ok(());
        }
        let pieces = self.pieces(text).await?;
        self.expand(&pieces, false, fields).await
    }

    fn expand<'a>(
        &'a mut self,
        pieces: &'a [WordPieceWithSource],
        quoted: bool,
        fields: &'a mut Fields,
    ) -> BoxFuture<'a, Result<(), Flow>> {
        Box::pin(async move {
            for piece in pieces {
                match &piece.piece {
                    WordPiece::Text(text) => fields.push(text, quoted),
                    WordPiece::SingleQuotedText(text) => fields.push(text, true),
                    WordPiece::AnsiCQuotedText(text) => {
                        let bytes = crate::engine::memory::commands::printf::escapes(text, true).0;
                        fields.push(&decode(&bytes), true);
                    }
                    WordPiece::DoubleQuotedSequence(inner)
                    | WordPiece::GettextDoubleQuotedSequence(inner) => {
                        if !only_empty_list(inner, &self.positional) {
                            fields.push("", true);
                        }
                        self.expand(inner, true, fields).await?;
                    }
                    WordPiece::TildeExpansion(tilde) => {
                        let home = match tilde {
                            TildeExpr::Home => self.get("HOME").unwrap_or_else(|| "/root".to_owned()),
                            TildeExpr::UserHome(user) if user == "root" => "/root".to_owned(),
                            TildeExpr::UserHome(user) => format!("~{user}"),
                            TildeExpr::WorkingDir => self.cwd.clone(),
                            _ => self.get("OLDPWD").unwrap_or_default(),
                        };
                        fields.push(&home, true);
                    }
                    WordPiece::EscapeSequence(text) => {
                        let literal = text.strip_prefix('\\').unwrap_or(text);
                        if literal != "\n" {
                            fields.push(literal, true);
                        }
                    }
                    WordPiece::ParameterExpansion(expression) => {
                        self.parameter(expression, quoted, fields).await?;
                    }
                    WordPiece::CommandSubstitution(script) => {
                        let output = self.substitute(script).await?;
                        fields.value(&output, quoted);
                    }
                    WordPiece::BackquotedCommandSubstitution(script) => {
                        let output = self.substitute(&unescape_backquoted(script)).await?;
                        fields.value(&output, quoted);
                    }
                    WordPiece::ArithmeticExpression(expression) => {
                        let text = self.here_text(&expression.value).await?;
                        let value = self.arithmetic(&text).await?;
                        fields.value(&value.to_string(), quoted);
                    }
                }
            }
            Ok(())
        })
    }

    async fn substitute(&mut self, script: &str) -> Result<String, Flow> {
        if self.depth >= DEPTH_LIMIT {
            return self.abort("maximum nesting level exceeded").await;
        }
        let program = match Program::parse(script) {
            Ok(program) => program,
            Err(error) => return self.abort(&format!("command substitution: {error}")).await,
        };
        let (reader, writer) = stream::pipe();
        let mut shell = self.subshell().await?;
        shell.depth += 1;
        shell.fds.set(1, writer);
        let run = async move {
            match shell.only_input(&program).await {
                Some(copied) => copied,
                None => shell.run_to_end(&program).await,
            }
        };
        let read = async move { reader.read_all(VALUE_LIMIT).await };
        let (status, mut output) = futures_util::future::join(run, read).await;
        self.status = status;
        while output.last() == Some(&b'\n') {
            output.pop();
        }
        output.retain(|b| *b != 0);
        Ok(decode(&output))
    }

    fn pathnames(&self, field: Vec<Run>, arguments: &mut Vec<String>) {
        let globbing =
            !self.options.noglob && field.iter().any(|run| !run.quoted && run.text.contains(['*', '?', '[']));
        if globbing {
            let pattern: String = field.iter().cloned().map(run_pattern).collect();
            let found = self.glob(&pattern);
            if !found.is_empty() {
                arguments.extend(found);
                return;
            }
        }
        arguments.push(field.into_iter().map(|run| run.text).collect());
    }

    fn glob(&self, glob: &str) -> Vec<String> {
        let absolute = glob.starts_with('/');
        let mut found = vec![if absolute { "/".to_owned() } else { String::new() }];
        let parts: Vec<&str> = glob.split('/').filter(|part| !part.is_empty()).collect();
        for part in parts {
            let mut next = Vec::new();
            for base in &found {
                let prefix =
                    if base.is_empty() || base.ends_with('/') { base.clone() } else { format!("{base}/") };
                if !pattern::is_pattern(part) {
                    let path = format!("{prefix}{}", pattern::unescape(part));
                    if self.files.stat(&join(&self.cwd, &path), false).is_ok() {
                        next.push(path);
                    }
                    continue;
                }
                let dir = if prefix.is_empty() { self.cwd.clone() } else { join(&self.cwd, &prefix) };
                for name in self.files.list(&dir).unwrap_or_default() {
                    if (!name.starts_with('.') || part.starts_with('.')) && pattern::matches(part, &name) {
                        next.push(format!("{prefix}{name}"));
                    }
                }
            }
            found = next;
        }
        if glob.ends_with('/') {
            found.retain(|path| self.files.is_dir(&join(&self.cwd, path)));
            found.iter_mut().for_each(|path| path.push('/'));
        }
        found.sort();
        found
    }
}

fn run_pattern(run: Run) -> String {
    if run.quoted { pattern::escape(&run.text) } else { run.text }
}

/// `"$@"` with nothing in it is no field at all.
fn only_empty_list(inner: &[WordPieceWithSource], positional: &[String]) -> bool {
    use brush_parser::word::{Parameter, ParameterExpr, SpecialParameter};
    let all = |parameter: &Parameter| {
        matches!(
            parameter,
            Parameter::Special(SpecialParameter::AllPositionalParameters { concatenate: false })
        )
    };
    match inner {
        [piece] => match &piece.piece {
            WordPiece::ParameterExpansion(ParameterExpr::Parameter { parameter, .. }) => {
                positional.is_empty() && all(parameter)
                    || matches!(parameter, Parameter::NamedWithAllIndices { concatenate: false, .. })
            }
            WordPiece::ParameterExpansion(ParameterExpr::UseAlternativeValue { parameter, .. }) => {
                positional.is_empty() && all(parameter)
            }
            _ => false,
        },
        _ => false,
    }
}

fn unescape_backquoted(script: &str) -> String {
    let mut out = String::with_capacity(script.len());
    let mut chars = script.chars().peekable();
    while let Some(c) = chars.next() {
        match chars.peek() {
            Some(next @ ('$' | '`' | '\\')) if c == '\\' => {
                out.push(*next);
                chars.next();
            }
            _ => out.push(c),
        }
    }
    out
}

const BRACES_LIMIT: i64 = 100_000;

fn braces(text: &str) -> Vec<String> {
    use brush_parser::word::BraceExpressionOrText;
    let Ok(Some(parts)) = word::parse_brace_expansions(text, &program::options()) else {
        return vec![text.to_owned()];
    };
    fn combine(parts: &[BraceExpressionOrText]) -> Vec<String> {
        use brush_parser::word::BraceExpressionMember as Member;
        let mut all = vec![String::new()];
        for part in parts {
            let choices: Vec<String> = match part {
                BraceExpressionOrText::Text(text) => vec![text.clone()],
                BraceExpressionOrText::Expr(members) => members
                    .iter()
                    .flat_map(|member| match member {
                        Member::Child(parts) => combine(parts),
                        Member::NumberSequence { start, end, increment } => {
                            let step = increment.abs().max(1);
                            let count = ((end - start).abs() / step).min(BRACES_LIMIT);
                            let sign = if end >= start { step } else { -step };
                            (0..=count).map(|i| (start + i * sign).to_string()).collect()
                        }
                        Member::CharSequence { start, end, .. } => {
                            let (a, b) = (u32::from(*start), u32::from(*end));
                            let range: Vec<u32> =
                                if a <= b { (a..=b).collect() } else { (b..=a).rev().collect() };
                            range.into_iter().filter_map(char::from_u32).map(String::from).collect()
                        }
                    })
                    .collect(),
            };
            if (all.len() * choices.len()) as i64 > BRACES_LIMIT {
                break;
            }
            all = all
                .iter()
                .flat_map(|left| choices.iter().map(move |right| format!("{left}{right}")))
                .collect();
        }
        all
    }
    combine(&parts)
}
