//! Results on stdout (for people, or one JSON object with `--json`), progress and errors on stderr.

use std::{
    io::{IsTerminal, Write},
    sync::OnceLock,
    time::Duration,
};

use indicatif::{ProgressBar, ProgressStyle};
use provery_types::text;
use serde::Serialize;

use crate::{
    error::{Code, Failure},
    logs,
};

#[derive(Debug, Clone, Copy)]
pub struct Output {
    pub json: bool,
}

impl Output {
    /// The command's one result.
    pub fn result(&self, value: &impl Serialize, human: impl FnOnce() -> String) {
        if self.json {
            self.line(value);
        } else {
            stdout(human().trim_end());
        }
    }

    /// One of several JSON lines; nothing without `--json`.
    pub fn line(&self, value: &impl Serialize) {
        if self.json {
            match serde_json::to_string(value) {
                Ok(text) => stdout(&text),
                Err(error) => stderr(&format!("error: the result cannot be written as JSON: {error}")),
            }
        }
    }

    /// One of several lines of result for people.
    pub fn say(&self, text: &str) {
        stdout(text);
    }

    /// A line for people on the way to the result.
    pub fn note(&self, text: &str) {
        stderr(text);
    }

    pub fn warn(&self, text: &str) {
        stderr(&format!("warning: {}", text::lines(text)));
    }

    pub fn failure(&self, failure: &Failure) {
        // What a server answered may quote the URL it was asked at.
        let failure = &Failure { code: failure.code, message: logs::cleaned(&failure.message).into_owned() };
        stderr(&format!("error: {}", text::lines(&failure.message)));
        self.line(&failure.to_json());
    }

    /// Progress of a command that takes `total` steps.
    pub fn steps(&self, total: usize) -> Steps {
        Steps { total, done: 0 }
    }
}

/// Numbered steps, one line each when done, with a spinner meanwhile if a person watches.
#[derive(Debug)]
pub struct Steps {
    total: usize,
    done: usize,
}

impl Steps {
    pub fn start(&mut self, what: &str) -> Step {
        self.done += 1;
        let label = format!("[{}/{}] {what}", self.done, self.total);
        Step { spinner: spinner(&label), label }
    }
}

#[derive(Debug)]
pub struct Step {
    spinner: Option<ProgressBar>,
    label: String,
}

impl Step {
    pub fn finish(self, result: &str) {
        if let Some(spinner) = self.spinner {
            spinner.finish_and_clear();
        }
        stderr(&format!("{}: {result}", self.label));
    }
}

/// A spinner on stderr if a person watches.
pub fn spinner(label: &str) -> Option<ProgressBar> {
    if !std::io::stderr().is_terminal() {
        return None;
    }
    let bar = ProgressBar::new_spinner().with_message(label.to_string());
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} ({elapsed})") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(120));
    Some(bar)
}

/// Rows under a heading, columns aligned; numbers to the right. What cells hold may come from anybody.
pub fn table(heading: &[&str], rows: &[Vec<String>]) -> String {
    let rows: Vec<Vec<String>> =
        rows.iter().map(|row| row.iter().map(|cell| text::plain(cell)).collect()).collect();
    let mut widths: Vec<usize> = heading.iter().map(|cell| cell.chars().count()).collect();
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let numeric = |cell: &str| cell.starts_with(|c: char| c.is_ascii_digit()) && !cell.starts_with("0x");
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let mut text = String::new();
        for (cell, width) in cells.zip(&widths) {
            if !text.is_empty() {
                text.push_str("  ");
            }
            let width = *width;
            text.push_str(&if numeric(cell) { format!("{cell:>width$}") } else { format!("{cell:<width$}") });
        }
        text.trim_end().to_string() + "\n"
    };
    let mut text = line(&mut heading.iter().copied());
    for row in &rows {
        text.push_str(&line(&mut row.iter().map(String::as_str)));
    }
    text
}

/// `name  value` lines, values aligned. What values hold may come from anybody.
pub fn fields(rows: &[(&str, String)]) -> String {
    let width = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    rows.iter().map(|(name, value)| format!("{name:<width$}  {}\n", text::lines(value))).collect()
}

/// What went wrong first when a result was written, if anything did.
static UNWRITTEN: OnceLock<String> = OnceLock::new();

/// A result that could not be written, which is a failure of the command. A reader that went away (`provery … | head`) is none.
pub fn unwritten() -> Option<Failure> {
    let what = UNWRITTEN.get()?;
    Some(Failure::new(
        Code::Io,
        format!("the result could not be written ({what}); what the command did is done"),
    ))
}

/// Remember that a result could not be written.
pub fn note_unwritten(error: &std::io::Error) {
    if error.kind() != std::io::ErrorKind::BrokenPipe {
        let _ = UNWRITTEN.set(error.to_string());
    }
}

fn stdout(text: &str) {
    let mut out = std::io::stdout().lock();
    if let Err(error) = writeln!(out, "{text}").and_then(|()| out.flush()) {
        note_unwritten(&error);
    }
}

fn stderr(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_align() {
        let text =
            table(&["slot", "state"], &[vec!["9".into(), "open".into()], vec!["10".into(), "proven".into()]]);
        assert_eq!(text, "slot  state\n   9  open\n  10  proven\n");
    }

    #[test]
    fn what_others_wrote_cannot_move_the_cursor() {
        let hostile = || "https://x\u{1b}[2J\u{202e}".to_owned();
        for text in [table(&["uri"], &[vec![hostile()]]), fields(&[("uri", hostile())])] {
            assert!(text.contains("https://x\\u{1b}[2J\\u{202e}"), "{text:?}");
        }
    }

    #[test]
    fn fields_align() {
        assert_eq!(fields(&[("id", "1".into()), ("stake", "2 ether".into())]), "id     1\nstake  2 ether\n");
    }
}
