//! Results on stdout (for people, or one JSON object with `--json`), progress and errors on stderr.

use std::{
    io::{IsTerminal, Write},
    sync::OnceLock,
    time::Duration,
};

use comfy_table::{Cell, CellAlignment, ContentArrangement};
use indicatif::{ProgressBar, ProgressStyle};
use provery_types::text;
use serde::Serialize;

use crate::{
    error::{Code, Failure},
    logs,
};

#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    pub json: bool,
}

impl Output {
    /// The command's one result.
    pub(crate) fn result(&self, value: &impl Serialize, human: impl FnOnce() -> String) {
        if self.json {
            self.line(value);
        } else {
            stdout(&shown(human().trim_end()));
        }
    }

    /// One of several JSON lines; nothing without `--json`.
    pub(crate) fn line(&self, value: &impl Serialize) {
        if self.json {
            match serde_json::to_string(value) {
                Ok(text) => stdout(&text),
                Err(error) => stderr(&format!("error: the result cannot be written as JSON: {error}")),
            }
        }
    }

    /// One of several lines of result for people.
    pub(crate) fn say(&self, text: &str) {
        stdout(&shown(text));
    }

    /// A line for people on the way to the result.
    pub(crate) fn note(&self, text: &str) {
        stderr(&text::lines(&logs::cleaned(text)));
    }

    pub(crate) fn warn(&self, text: &str) {
        stderr(&format!("warning: {}", text::lines(&logs::cleaned(text))));
    }

    pub(crate) fn failure(&self, failure: &Failure) {
        // What a server answered may quote the URL it was asked at.
        let failure = &Failure { code: failure.code, message: logs::cleaned(&failure.message).into_owned() };
        stderr(&format!("error: {}", text::lines(&failure.message)));
        self.line(&failure.to_json());
    }

    /// Progress of a command that takes `total` steps.
    pub(crate) fn steps(&self, total: usize) -> Steps {
        Steps { total, done: 0 }
    }
}

/// Numbered steps, one line each when done, with a spinner meanwhile if a person watches.
#[derive(Debug)]
pub(crate) struct Steps {
    total: usize,
    done: usize,
}

impl Steps {
    pub(crate) fn start(&mut self, what: &str) -> Step {
        self.done += 1;
        let label = format!("[{}/{}] {}", self.done, self.total, text::plain(what));
        Step { spinner: spinner(&label), label }
    }
}

#[derive(Debug)]
pub(crate) struct Step {
    spinner: Option<ProgressBar>,
    label: String,
}

impl Step {
    /// How far it is, if a person watches.
    pub(crate) fn say(&self, what: &str) {
        if let Some(spinner) = &self.spinner {
            spinner.set_message(format!("{}: {}", self.label, text::plain(what)));
        }
    }

    pub(crate) fn finish(self, result: &str) {
        if let Some(spinner) = self.spinner {
            spinner.finish_and_clear();
        }
        stderr(&format!("{}: {}", self.label, text::lines(result)));
    }
}

/// A spinner on stderr if a person watches.
pub(crate) fn spinner(label: &str) -> Option<ProgressBar> {
    if !std::io::stderr().is_terminal() {
        return None;
    }
    let bar = ProgressBar::new_spinner().with_message(text::plain(label));
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} ({elapsed})") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(120));
    Some(bar)
}

/// What stdout is shown on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Screen {
    /// Columns; of a pipe or a file as many as a line takes.
    width: Option<u16>,
    colour: bool,
}

impl Screen {
    fn now() -> Self {
        let terminal = console::Term::stdout();
        if !terminal.is_term() {
            return Self::default();
        }
        Self { width: Some(terminal.size().1), colour: console::colors_enabled() }
    }

    fn heading(self, text: &str) -> String {
        if self.colour {
            console::style(text).bold().force_styling(true).to_string()
        } else {
            text.to_owned()
        }
    }
}

/// Rows under a heading, columns aligned, numbers to the right. On a terminal no wider than that: addresses are shortened if they
/// must be, and then cells go on in a line below. Elsewhere everything is whole, a line a row. What cells hold may come from
/// anybody.
pub(crate) fn table(heading: &[&str], rows: &[Vec<String>]) -> String {
    let rows: Vec<Vec<String>> =
        rows.iter().map(|row| row.iter().map(|cell| text::plain(cell)).collect()).collect();
    laid_out(heading, &rows, Screen::now())
}

fn laid_out(heading: &[&str], rows: &[Vec<String>], screen: Screen) -> String {
    let whole = grid(heading, rows, None);
    let fits = |text: &str, most: u16| text.lines().all(|line| line.chars().count() <= usize::from(most));
    let text = match screen.width {
        Some(most) if !fits(&whole, most) => {
            let short: Vec<Vec<String>> =
                rows.iter().map(|row| row.iter().map(|cell| short(cell)).collect()).collect();
            let shorter = grid(heading, &short, None);
            if fits(&shorter, most) { shorter } else { grid(heading, &short, Some(most)) }
        }
        _ => whole,
    };
    match text.split_once('\n') {
        Some((first, rest)) => format!("{}\n{rest}\n", screen.heading(first)),
        None => format!("{}\n", screen.heading(&text)),
    }
}

fn grid(heading: &[&str], rows: &[Vec<String>], width: Option<u16>) -> String {
    let mut table = comfy_table::Table::new();
    table.load_preset(comfy_table::presets::NOTHING).set_header(heading);
    for row in rows {
        table.add_row(row.iter().map(|text| {
            let to = if is_quantity(text) { CellAlignment::Right } else { CellAlignment::Left };
            Cell::new(text).set_alignment(to)
        }));
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    match width {
        Some(width) => table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width),
        None => table.set_content_arrangement(ContentArrangement::Disabled),
    };
    table.trim_fmt()
}

/// Whether a cell is a number, with or without a unit behind it: what columns of numbers are read by. A hash, a date or a sentence that
/// begins with a digit is none.
fn is_quantity(cell: &str) -> bool {
    let mut words = cell.split(' ');
    let number = words.next().unwrap_or_default().trim_start_matches('-').trim_end_matches('%');
    let is_number = number.starts_with(|c: char| c.is_ascii_digit())
        && number.chars().all(|c| c.is_ascii_digit() || ".,".contains(c))
        && number.matches('.').count() <= 1;
    let is_unit = |word: &str| word.starts_with(char::is_alphabetic);
    is_number && words.next().is_none_or(is_unit) && words.next().is_none()
}

/// An address as `0x1234…abcd`; anything else as it is.
fn short(cell: &str) -> String {
    let address =
        cell.len() == 42 && cell.starts_with("0x") && cell[2..].bytes().all(|c| c.is_ascii_hexdigit());
    if address { format!("{}…{}", &cell[..6], &cell[38..]) } else { cell.to_owned() }
}

/// `name  value` lines, values aligned. What values hold may come from anybody.
pub(crate) fn fields(rows: &[(&str, String)]) -> String {
    let width = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    let screen = Screen::now();
    rows.iter()
        .map(|(name, value)| {
            format!("{}  {}\n", screen.heading(&format!("{name:<width$}")), text::lines(value))
        })
        .collect()
}

/// What went wrong first when a result was written, if anything did.
static UNWRITTEN: OnceLock<String> = OnceLock::new();

/// A result that could not be written, which is a failure of the command. A reader that went away (`provery … | head`) is none.
pub(crate) fn unwritten() -> Option<Failure> {
    let what = UNWRITTEN.get()?;
    Some(Failure::new(
        Code::Io,
        format!("the result could not be written ({what}); what the command did is done"),
    ))
}

/// Remember that a result could not be written.
pub(crate) fn note_unwritten(error: &std::io::Error) {
    if error.kind() != std::io::ErrorKind::BrokenPipe {
        let _ = UNWRITTEN.set(error.to_string());
    }
}

/// Around a heading on a terminal with colours.
const BOLD: [&str; 2] = ["\u{1b}[1m", "\u{1b}[0m"];

/// Text for people as it may be shown, whoever wrote parts of it: nothing of it moves the cursor, and only headings are bold.
fn shown(text: &str) -> String {
    let [bold, plain] = BOLD;
    let unbold = |part: &str| part.split(plain).map(text::lines).collect::<Vec<_>>().join(plain);
    text.split(bold).map(unbold).collect::<Vec<_>>().join(bold)
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

    const ADDRESS: &str = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8";

    fn laid(width: Option<u16>) -> String {
        let row = |slot: &str| [slot, "open", ADDRESS, ADDRESS].map(str::to_owned).to_vec();
        let screen = Screen { width, colour: false };
        laid_out(&["slot", "phase", "held by", "paid"], &[row("9"), row("10")], screen)
    }

    #[test]
    fn tables_align() {
        let rows = [vec!["9".into(), "open".into()], vec!["10".into(), "proven".into()]];
        let text = laid_out(&["slot", "state"], &rows, Screen::default());
        assert_eq!(text, "slot  state\n   9  open\n  10  proven\n");
    }

    #[test]
    fn numbers_stand_to_the_right_and_what_begins_with_a_digit_does_not() {
        for number in ["9", "2.5 USDC", "-3 ETH", "12 s", "25.0%", "1,000"] {
            assert!(is_quantity(number), "{number}");
        }
        for text in
            ["9f3a1c", "0x12", "2026-11-29", "10 of 20 are", "3rd", "", "-", "1.2.3.4", "open", "1 (demo)"]
        {
            assert!(!is_quantity(text), "{text}");
        }
    }

    #[test]
    fn what_others_wrote_cannot_move_the_cursor() {
        let hostile = || "https://x\u{1b}[2J\u{202e}".to_owned();
        for text in [table(&["uri"], &[vec![hostile()]]), fields(&[("uri", hostile())])] {
            assert!(text.contains("https://x\\u{1b}[2J\\u{202e}"), "{text:?}");
        }
    }

    #[test]
    fn text_that_is_no_table_cannot_move_the_cursor_either() {
        assert_eq!(shown("a\u{1b}[2J\nb\u{202e}\t"), "a\\u{1b}[2J\nb\\u{202e}\\u{9}");
        let heading = Screen { width: None, colour: true }.heading("uri");
        assert_eq!(shown(&format!("{heading}  x\u{1b}[31m")), format!("{heading}  x\\u{{1b}}[31m"));
    }

    #[test]
    fn a_pipe_gets_every_row_whole_in_a_line() {
        let text = laid(None);
        assert_eq!(text.lines().count(), 3);
        assert_eq!(text.matches(ADDRESS).count(), 4);
        assert!(text.lines().all(|line| line.trim_end() == line) && !text.contains('\u{1b}'), "{text}");
    }

    #[test]
    fn a_table_fits_the_terminal() {
        assert_eq!(laid(Some(110)), laid(None), "wide enough for whole addresses");
        let narrow = laid(Some(80));
        assert!(narrow.contains("0x7099…79C8") && !narrow.contains(ADDRESS), "{narrow}");
        assert_eq!(narrow.lines().count(), 3, "{narrow}");
        for width in [30, 40, 80, 110] {
            let text = laid(Some(width));
            assert!(text.lines().all(|line| line.chars().count() <= width.into()), "{width}: {text}");
        }
        let coloured = laid_out(&["a"], &[vec!["b".into()]], Screen { width: Some(80), colour: true });
        assert_eq!(coloured, "\u{1b}[1ma\u{1b}[0m\nb\n");
    }

    #[test]
    fn fields_align() {
        assert_eq!(fields(&[("id", "1".into()), ("stake", "2 ether".into())]), "id     1\nstake  2 ether\n");
    }
}
