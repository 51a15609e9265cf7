//! The live list: one line a step for one operation, one line an operation for several.

use std::collections::HashMap;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use jiff::Timestamp;
use proto_json::operation::{Operation, OperationState, Step, StepState};

use super::{ended, state_word, title};
use crate::ui::{Color, Ui};
use crate::{duration, printable};

/// How often a spinner turns.
const TICK: Duration = Duration::from_millis(100);

/// The lines on the terminal.
#[derive(Debug)]
pub struct Live {
    ui: Ui,
    several: bool,
    lines: MultiProgress,
    shown: HashMap<String, Shown>,
}

#[derive(Debug)]
struct Shown {
    /// The whole operation's line; its heading when there is only one operation.
    head: ProgressBar,
    steps: HashMap<String, ProgressBar>,
    /// The line of the step at work, and what it is called.
    current: Option<(ProgressBar, String)>,
}

impl Live {
    /// Nothing is shown yet.
    pub fn new(ui: Ui, several: bool) -> Live {
        Live { ui, several, lines: MultiProgress::new(), shown: HashMap::new() }
    }

    /// Shows what a snapshot says.
    pub fn update(&mut self, operation: &Operation) {
        let (ui, several, lines) = (self.ui, self.several, &self.lines);
        let shown = self.shown.entry(operation.id.clone()).or_insert_with(|| {
            let head = lines.add(ProgressBar::new_spinner());
            if several {
                spin(&head, operation.started_at.as_deref());
            } else {
                head.set_style(style("{msg}"));
                head.set_message(printable::line(&title(operation)).into_owned());
                head.finish();
            }
            Shown { head, steps: HashMap::new(), current: None }
        });
        if several {
            shown.one_line(ui, operation);
        } else {
            for step in &operation.steps {
                shown.step(ui, lines, step, operation);
            }
        }
    }

    /// Shows a word from the step at work.
    pub fn message(&mut self, operation: &str, message: &str) {
        if let Some((bar, title)) = self.shown.get(operation).and_then(|shown| shown.current.as_ref()) {
            bar.set_message(format!("{title}: {}", printable::line(message)));
        }
    }

    /// Says something above the list.
    pub fn note(&mut self, text: &str) {
        let _ = self.lines.println(printable::lines(text));
    }

    /// Stops the spinners and leaves what they last said.
    pub fn close(&mut self) {
        for shown in self.shown.values() {
            for bar in shown.steps.values().chain([&shown.head]) {
                if !bar.is_finished() {
                    bar.abandon();
                }
            }
        }
    }
}

impl Shown {
    /// An operation that is one line among several.
    fn one_line(&mut self, ui: Ui, operation: &Operation) {
        let name = operation.app.as_ref().unwrap_or(&operation.id);
        let name = printable::line(name).into_owned();
        if operation.state.ended() {
            if self.head.is_finished() {
                return;
            }
            let took = duration::between(operation.started_at.as_deref(), operation.ended_at.as_deref());
            let took = took.map(|took| format!(" in {}", duration::show(took))).unwrap_or_default();
            let mark = mark(ui, operation.state == OperationState::Done);
            let text = format!("{mark} {name}  {}{took}", state_word(operation.state));
            self.current = None;
            self.head.set_style(style("{msg}"));
            self.head.finish_with_message(text);
            return;
        }
        let step = operation.step.as_deref();
        let at = operation.steps.iter().position(|known| Some(known.name.as_str()) == step);
        let what = match at {
            Some(index) => {
                let title = printable::line(&operation.steps[index].title).into_owned();
                format!("{name}  step {}/{} {title}", index + 1, operation.steps.len())
            }
            None => format!("{name}  {}", state_word(operation.state)),
        };
        let message = at.and_then(|index| operation.steps[index].message.clone());
        let message = operation.waiting_for.as_ref().map(|wait| format!("waiting: {wait}")).or(message);
        self.head.set_message(with_message(&what, message.as_deref()));
        self.current = Some((self.head.clone(), what));
    }

    /// A step that is a line of its own, from its beginning on.
    fn step(&mut self, ui: Ui, lines: &MultiProgress, step: &Step, operation: &Operation) {
        if step.state == StepState::Pending {
            return;
        }
        let title = printable::line(&step.title).into_owned();
        let bar = self.steps.entry(step.name.clone()).or_insert_with(|| {
            let bar = lines.add(ProgressBar::new_spinner());
            spin(&bar, step.started_at.as_deref());
            bar
        });
        let Some(word) = ended(step.state) else {
            let waiting = operation.waiting_for.as_ref().map(|wait| format!("waiting: {wait}"));
            bar.set_message(with_message(&title, waiting.as_deref().or(step.message.as_deref())));
            self.current = Some((bar.clone(), title));
            return;
        };
        let took = duration::between(step.started_at.as_deref(), step.ended_at.as_deref());
        let took = took.filter(|_| matches!(step.state, StepState::Done | StepState::Failed));
        let took = took.map(|took| format!(" in {}", duration::show(took))).unwrap_or_default();
        let mark = match step.state {
            StepState::Failed => mark(ui, false),
            StepState::Undone => ui.paint(Color::Yellow, "↶"),
            _ => mark(ui, true),
        };
        let text = format!("{mark} {title}  {word}{took}");
        if bar.is_finished() && bar.message() == text {
            return;
        }
        bar.set_style(style("  {msg}"));
        bar.finish_with_message(text);
        if self.current.as_ref().is_some_and(|(_, current)| *current == title) {
            self.current = None;
        }
    }
}

fn mark(ui: Ui, good: bool) -> String {
    if good { ui.paint(Color::Green, "✓") } else { ui.paint(Color::Red, "✗") }
}

fn with_message(title: &str, message: Option<&str>) -> String {
    match message {
        Some(message) => format!("{title}: {}", printable::line(message)),
        None => title.to_string(),
    }
}

/// A spinner that counts from when the work began, not from when it was first seen.
fn spin(bar: &ProgressBar, started_at: Option<&str>) {
    let began = started_at.and_then(|at| at.parse::<Timestamp>().ok());
    let already =
        began.and_then(|at| Timestamp::now().duration_since(at).try_into().ok()).unwrap_or_default();
    bar.set_elapsed(already);
    bar.set_style(style("  {spinner} {wide_msg} {elapsed}"));
    bar.enable_steady_tick(TICK);
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("the template is fixed and well formed")
}
