//! Evaluation of the syntax tree.

use brush_parser::ast::{self, CommandPrefixOrSuffixItem as Item, CompoundCommand, SeparatorOperator};
use futures_util::future::{BoxFuture, join_all};
use tokio::sync::watch;

use super::program::Program;
use super::{DEPTH_LIMIT, Flow, Shell, Variable, pattern};
use crate::engine::memory::commands::{self, Ctx};
use crate::engine::memory::world::stream::{self, Stream};

type Outcome = Result<i32, Flow>;

impl Shell {
    /// Runs a script in this shell.
    pub(crate) async fn run(&mut self, program: &Program) -> Outcome {
        for command in &program.0.complete_commands {
            match self.list(command).await {
                Err(Flow::Abort(status)) if self.interactive => self.status = status,
                Err(Flow::Break(_) | Flow::Continue(_)) => {}
                Err(Flow::Return(status)) if self.depth == 0 => self.status = status,
                other => _ = other?,
            }
        }
        Ok(self.status)
    }

    /// Runs a script as the whole life of this shell: the EXIT trap too.
    pub(crate) async fn run_to_end(&mut self, program: &Program) -> i32 {
        let outcome = self.run(program).await;
        self.ended(outcome).await
    }

    /// The status of a shell that ends with `outcome`, its EXIT trap run.
    pub(super) async fn ended(&mut self, outcome: Outcome) -> i32 {
        let mut status = match outcome {
            Ok(status) | Err(Flow::Exit(status) | Flow::Return(status) | Flow::Abort(status)) => status,
            Err(Flow::Break(_) | Flow::Continue(_)) => self.status,
        };
        if let Some(trap) = self.exit_trap.take()
            && let Ok(program) = Program::parse(&trap)
        {
            self.status = status;
            self.options.errexit = false;
            if let Err(Flow::Exit(changed)) = self.run(&program).await {
                status = changed;
            }
        }
        status & 0xff
    }

    pub(super) fn list<'a>(&'a mut self, list: &'a ast::CompoundList) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            for ast::CompoundListItem(and_or, separator) in &list.0 {
                match separator {
                    SeparatorOperator::Async => self.background(and_or).await?,
                    SeparatorOperator::Sequence => _ = self.and_or(and_or).await?,
                }
            }
            Ok(self.status)
        })
    }

    async fn background(&mut self, and_or: &ast::AndOrList) -> Result<(), Flow> {
        let pid = self.guest().next_pid();
        let mut shell = self.subshell().await?;
        shell.pid = pid;
        if shell.fds.get(0).is_tty() {
            shell.fds.set(0, Stream::null());
        }
        let (done, finished) = watch::channel(None);
        let list = and_or.clone();
        let label: String = and_or.to_string().chars().take(200).collect();
        let guest = self.guest().clone();
        let task = async move {
            let outcome = shell.and_or(&list).await;
            let status = shell.ended(outcome).await;
            drop(shell);
            let _ = done.send(Some(status));
        };
        if guest.spawn(pid, &label, task).is_none() {
            return Err(Flow::Exit(137));
        }
        if self.interactive {
            let line = format!("[{}] {pid}\n", self.jobs.len() + 1);
            let _ = self.fds.get(2).write(line.as_bytes()).await;
        }
        self.jobs.retain(|(_, job)| job.borrow().is_none() || !self.interactive);
        self.jobs.push((pid, finished));
        self.last_background = Some(pid);
        self.status = 0;
        Ok(())
    }

    async fn and_or(&mut self, list: &ast::AndOrList) -> Outcome {
        let last = list.additional.len();
        let mut status = self.pipeline(&list.first, last > 0).await?;
        for (index, next) in list.additional.iter().enumerate() {
            let (wanted, pipeline) = match next {
                ast::AndOr::And(pipeline) => (true, pipeline),
                ast::AndOr::Or(pipeline) => (false, pipeline),
            };
            if (status == 0) == wanted {
                status = self.pipeline(pipeline, index + 1 < last).await?;
            }
        }
        Ok(status)
    }

    async fn pipeline(&mut self, pipeline: &ast::Pipeline, guarded: bool) -> Outcome {
        let shield = guarded || pipeline.bang;
        self.guarded += u32::from(shield);
        let outcome = match pipeline.seq.as_slice() {
            [only] => self.command(only).await,
            stages => self.stages(stages).await,
        };
        self.guarded = self.guarded.saturating_sub(u32::from(shield));
        let mut status = outcome?;
        if pipeline.bang {
            status = i32::from(status == 0);
        }
        self.status = status;
        if status != 0 && self.options.errexit && self.guarded == 0 && !shield && !skips_errexit(pipeline) {
            return Err(Flow::Exit(status));
        }
        Ok(status)
    }

    async fn stages(&mut self, stages: &[ast::Command]) -> Outcome {
        let mut input = None;
        let mut running = Vec::with_capacity(stages.len());
        for (index, stage) in stages.iter().enumerate() {
            let mut shell = self.subshell().await?;
            if let Some(reader) = input.take() {
                shell.fds.set(0, reader);
            }
            if index + 1 < stages.len() {
                let (reader, writer) = stream::pipe();
                shell.fds.set(1, writer);
                input = Some(reader);
            }
            running.push(async move {
                let outcome = shell.command(stage).await;
                shell.ended(outcome).await
            });
        }
        let statuses = join_all(running).await;
        let last = statuses.last().copied().unwrap_or(0);
        let failed = statuses.iter().rev().find(|status| **status != 0).copied().unwrap_or(0);
        Ok(if self.options.pipefail { failed } else { last })
    }

    fn command<'a>(&'a mut self, command: &'a ast::Command) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            self.guest().tick().await;
            let status = match command {
                ast::Command::Simple(simple) => self.simple(simple).await?,
                ast::Command::Compound(compound, redirects) => {
                    self.redirected(redirects.as_ref(), compound).await?
                }
                ast::Command::Function(definition) => {
                    let body = std::sync::Arc::new(definition.body.clone());
                    self.functions.insert(definition.fname.value.clone(), body);
                    0
                }
                ast::Command::ExtendedTest(test, _) => self.extended_test(&test.expr).await?,
            };
            self.status = status;
            Ok(status)
        })
    }

    pub(super) async fn redirected(
        &mut self,
        redirects: Option<&ast::RedirectList>,
        compound: &CompoundCommand,
    ) -> Outcome {
        let Some(redirects) = redirects else { return self.compound(compound).await };
        let kept = self.fds.clone();
        for redirect in &redirects.0 {
            if !self.redirect(redirect).await? {
                self.fds = kept;
                return Ok(1);
            }
        }
        let outcome = self.compound(compound).await;
        self.fds = kept;
        outcome
    }

    async fn compound(&mut self, compound: &CompoundCommand) -> Outcome {
        match compound {
            CompoundCommand::BraceGroup(group) => self.list(&group.list).await,
            CompoundCommand::Subshell(subshell) => {
                let mut shell = self.subshell().await?;
                let outcome = shell.list(&subshell.list).await;
                Ok(shell.ended(outcome).await)
            }
            CompoundCommand::IfClause(clause) => {
                if self.condition(&clause.condition).await? {
                    return self.list(&clause.then).await;
                }
                for other in clause.elses.iter().flatten() {
                    let taken = match &other.condition {
                        Some(condition) => self.condition(condition).await?,
                        None => true,
                    };
                    if taken {
                        return self.list(&other.body).await;
                    }
                }
                Ok(0)
            }
            CompoundCommand::WhileClause(clause) => self.while_loop(clause, true).await,
            CompoundCommand::UntilClause(clause) => self.while_loop(clause, false).await,
            CompoundCommand::ForClause(clause) => self.for_loop(clause).await,
            CompoundCommand::CaseClause(clause) => self.case(clause).await,
            CompoundCommand::Arithmetic(command) => {
                let text = self.here_text(&command.expr.value).await?;
                Ok(i32::from(self.arithmetic(&text).await? == 0))
            }
            CompoundCommand::ArithmeticForClause(clause) => self.arithmetic_for(clause).await,
            CompoundCommand::Coprocess(_) => self.abort("coproc: not supported").await,
        }
    }

    async fn condition(&mut self, list: &ast::CompoundList) -> Result<bool, Flow> {
        self.guarded += 1;
        let outcome = self.list(list).await;
        self.guarded = self.guarded.saturating_sub(1);
        Ok(outcome? == 0)
    }

    /// Runs a loop's body; `Some` when the loop ends.
    async fn body(&mut self, list: &ast::CompoundList) -> Result<Option<()>, Flow> {
        self.loops += 1;
        let outcome = self.list(list).await;
        self.loops = self.loops.saturating_sub(1);
        match outcome {
            Ok(_) | Err(Flow::Continue(0 | 1)) => Ok(None),
            Err(Flow::Break(0 | 1)) => Ok(Some(())),
            Err(Flow::Break(n)) => Err(Flow::Break(n - 1)),
            Err(Flow::Continue(n)) => Err(Flow::Continue(n - 1)),
            Err(other) => Err(other),
        }
    }

    async fn while_loop(&mut self, clause: &ast::WhileOrUntilClauseCommand, wanted: bool) -> Outcome {
        let mut status = 0;
        while self.condition(&clause.0).await? == wanted {
            self.status = 0;
            if self.body(&clause.1.list).await?.is_some() {
                return Ok(0);
            }
            status = self.status;
        }
        Ok(status)
    }

    async fn for_loop(&mut self, clause: &ast::ForClauseCommand) -> Outcome {
        let values = match &clause.values {
            Some(words) => self.words(&words.iter().collect::<Vec<_>>()).await?,
            None => self.positional.clone(),
        };
        self.status = 0;
        for value in values {
            self.set(&clause.variable_name, value);
            if self.body(&clause.body.list).await?.is_some() {
                return Ok(0);
            }
        }
        Ok(self.status)
    }

    async fn arithmetic_for(&mut self, clause: &ast::ArithmeticForClauseCommand) -> Outcome {
        if let Some(first) = &clause.initializer {
            let text = self.here_text(&first.value).await?;
            self.arithmetic(&text).await?;
        }
        loop {
            if let Some(condition) = clause.condition.as_ref().filter(|c| !c.value.trim().is_empty()) {
                let text = self.here_text(&condition.value).await?;
                if self.arithmetic(&text).await? == 0 {
                    break;
                }
            }
            if self.body(&clause.body.list).await?.is_some() {
                break;
            }
            if let Some(step) = &clause.updater {
                let text = self.here_text(&step.value).await?;
                self.arithmetic(&text).await?;
            }
            tokio::task::yield_now().await;
        }
        Ok(0)
    }

    async fn case(&mut self, clause: &ast::CaseClauseCommand) -> Outcome {
        let value = self.single(&clause.value.value).await?;
        let mut fall_through = false;
        let mut status = 0;
        for case in &clause.cases {
            let mut taken = fall_through;
            for word in &case.patterns {
                if taken {
                    break;
                }
                let pattern = self.pattern(&word.value).await?;
                taken = pattern::matches(&pattern, &value);
            }
            if !taken {
                continue;
            }
            if let Some(list) = &case.cmd {
                status = self.list(list).await?;
            }
            match case.post_action {
                ast::CaseItemPostAction::ExitCase => return Ok(status),
                ast::CaseItemPostAction::UnconditionallyExecuteNextCaseItem => fall_through = true,
                ast::CaseItemPostAction::ContinueEvaluatingCases => fall_through = false,
            }
        }
        Ok(status)
    }

    async fn simple(&mut self, command: &ast::SimpleCommand) -> Outcome {
        let mut assignments = Vec::new();
        let mut redirects = Vec::new();
        let mut words = Vec::new();
        for item in command.prefix.iter().flat_map(|prefix| &prefix.0) {
            match item {
                Item::AssignmentWord(assignment, _) => assignments.push(assignment),
                Item::IoRedirect(redirect) => redirects.push(redirect),
                Item::Word(word) => words.push(word),
                Item::ProcessSubstitution(..) => {
                    return self.abort("process substitution: not supported").await;
                }
            }
        }
        words.extend(&command.word_or_name);
        let declares = command.word_or_name.as_ref().is_some_and(|w| {
            matches!(w.value.as_str(), "export" | "local" | "readonly" | "declare" | "typeset")
        });
        let mut declared = Vec::new();
        for item in command.suffix.iter().flat_map(|suffix| &suffix.0) {
            match item {
                Item::AssignmentWord(assignment, _) if declares => declared.push(assignment),
                Item::AssignmentWord(_, word) | Item::Word(word) => words.push(word),
                Item::IoRedirect(redirect) => redirects.push(redirect),
                Item::ProcessSubstitution(..) => {
                    return self.abort("process substitution: not supported").await;
                }
            }
        }
        self.status = if words.is_empty() { 0 } else { self.status };
        let arguments = self.words(&words).await?;
        if arguments.is_empty() {
            for assignment in &assignments {
                self.assign(assignment).await?;
            }
            let kept = self.fds.clone();
            let mut fine = true;
            for redirect in redirects {
                fine = fine && self.redirect(redirect).await?;
            }
            self.fds = kept;
            return Ok(if fine { self.status } else { 1 });
        }
        if self.options.xtrace {
            let _ = self.fds.get(2).write(format!("+ {}\n", arguments.join(" ")).as_bytes()).await;
        }
        let kept = self.fds.clone();
        for redirect in redirects {
            if !self.redirect(redirect).await? {
                self.fds = kept;
                return Ok(1);
            }
        }
        let mut before = Vec::new();
        for assignment in &assignments {
            if let ast::AssignmentName::VariableName(name) = &assignment.name {
                before.push((name.clone(), self.variables.get(name).cloned()));
                self.assign(assignment).await?;
                if let Some(variable) = self.variables.get_mut(name) {
                    variable.exported = true;
                }
            }
        }
        let outcome = self.dispatch(arguments, &declared).await;
        for (name, old) in before.into_iter().rev() {
            match old {
                Some(variable) => self.variables.insert(name, variable),
                None => self.variables.remove(&name),
            };
        }
        // `exec` without a command keeps its redirections.
        if !matches!(command.word_or_name.as_ref().map(|w| w.value.as_str()), Some("exec")) {
            self.fds = kept;
        }
        outcome
    }

    async fn dispatch(&mut self, arguments: Vec<String>, declared: &[&ast::Assignment]) -> Outcome {
        let name = arguments[0].clone();
        if let Some(function) = self.functions.get(&name).cloned() {
            return self.call(&function, arguments).await;
        }
        if let Some(outcome) = self.builtin(&arguments, declared).await {
            return outcome;
        }
        let ctx = self.ctx(arguments);
        let status = commands::run(ctx).await;
        // `echo` and `printf` are the shell itself: a broken pipe ends it.
        if status == 141 && matches!(name.as_str(), "echo" | "printf") {
            return Err(Flow::Exit(141));
        }
        Ok(status)
    }

    /// What a program started by this shell gets.
    pub(super) fn ctx(&self, args: Vec<String>) -> Ctx {
        let mut ctx = Ctx::new(self.files.clone(), self.place.clone(), args, self.environment());
        ctx.cwd.clone_from(&self.cwd);
        ctx.fds = self.fds.clone();
        ctx.tty.clone_from(&self.tty);
        ctx.depth = self.depth;
        ctx.umask = self.umask;
        ctx.shell_name = if self.interactive { "bash".to_owned() } else { self.name.clone() };
        ctx
    }

    async fn call(&mut self, function: &ast::FunctionBody, mut arguments: Vec<String>) -> Outcome {
        if self.depth >= DEPTH_LIMIT {
            return self.abort(&format!("{}: maximum function nesting level exceeded", arguments[0])).await;
        }
        arguments.remove(0);
        let positional = std::mem::replace(&mut self.positional, arguments);
        let loops = std::mem::take(&mut self.loops);
        self.depth += 1;
        self.locals.push(Vec::new());
        let outcome = self.redirected(function.1.as_ref(), &function.0).await;
        self.leave_function();
        self.depth -= 1;
        self.loops = loops;
        self.positional = positional;
        match outcome {
            Err(Flow::Return(status)) => Ok(status),
            other => other,
        }
    }

    /// Assigns a variable.
    pub(super) async fn assign(&mut self, assignment: &ast::Assignment) -> Result<(), Flow> {
        match (&assignment.name, &assignment.value) {
            (ast::AssignmentName::VariableName(name), ast::AssignmentValue::Scalar(word)) => {
                let mut value = self.single(&word.value).await?;
                if assignment.append {
                    value = self.get(name).unwrap_or_default() + &value;
                }
                if value.len() > super::VALUE_LIMIT || !self.room_for(value.len()) {
                    return self.abort(&format!("{name}: value too long")).await;
                }
                if self.variables.get(name).is_some_and(|v| v.readonly) {
                    return self.abort(&format!("{name}: readonly variable")).await;
                }
                self.set(name, value);
            }
            (ast::AssignmentName::VariableName(name), ast::AssignmentValue::Array(items)) => {
                let words: Vec<&ast::Word> = items.iter().map(|(_, word)| word).collect();
                let values = self.words(&words).await?;
                let variable = self.variables.entry(name.clone()).or_default();
                if !assignment.append {
                    variable.values.clear();
                }
                *variable = Variable { array: true, ..std::mem::take(variable) };
                variable.values.extend(values);
            }
            (ast::AssignmentName::ArrayElementName(name, index), ast::AssignmentValue::Scalar(word)) => {
                let text = self.here_text(index).await?;
                let index = self.arithmetic(&text).await?;
                let value = self.single(&word.value).await?;
                self.set_element(name, index, value);
            }
            (ast::AssignmentName::ArrayElementName(name, _), ast::AssignmentValue::Array(_)) => {
                return self.abort(&format!("{name}: cannot assign list to array member")).await;
            }
        }
        Ok(())
    }

    /// `$(<file)`: copies the file to standard output.
    pub(super) async fn only_input(&mut self, program: &Program) -> Option<i32> {
        let [list] = program.0.complete_commands.as_slice() else { return None };
        let [ast::CompoundListItem(and_or, _)] = list.0.as_slice() else { return None };
        let [ast::Command::Simple(simple)] = and_or.first.seq.as_slice() else { return None };
        let prefix = simple.prefix.as_ref()?;
        let [Item::IoRedirect(redirect @ ast::IoRedirect::File(_, ast::IoFileRedirectKind::Read, _))] =
            prefix.0.as_slice()
        else {
            return None;
        };
        if simple.word_or_name.is_some() || !and_or.additional.is_empty() {
            return None;
        }
        if !self.redirect(redirect).await.unwrap_or(false) {
            return Some(1);
        }
        let data = self.fds.get(0).read_all(super::VALUE_LIMIT).await;
        let _ = self.fds.get(1).write(&data).await;
        Some(0)
    }
}

/// Compound commands do not end the shell themselves: what failed inside already did, or was guarded.
fn skips_errexit(pipeline: &ast::Pipeline) -> bool {
    match pipeline.seq.as_slice() {
        [ast::Command::Compound(compound, _)] => {
            !matches!(compound, CompoundCommand::Subshell(_) | CompoundCommand::Arithmetic(_))
        }
        _ => false,
    }
}
