//! Text from outside (names, URIs, what an endpoint answers), before it reaches a terminal, a log or the disk.

/// Bytes of a URI that is kept or shown; longer ones are cut.
pub const URI_BYTES: usize = 256;

/// Bytes of any other text that [`plain`] shows.
const SHOWN_BYTES: usize = 1_024;

/// As it may be shown: without what moves a cursor, hides or reorders text, or begins a new line; not longer than a paragraph.
pub fn plain(text: &str) -> String {
    shown(text, SHOWN_BYTES)
}

/// As it may be shown on several lines: each is safe, and there are as many.
pub fn lines(text: &str) -> String {
    text.split('\n').map(|line| shown(line, usize::MAX)).collect::<Vec<_>>().join("\n")
}

/// As [`plain`], and not longer than `most` bytes.
pub fn shown(text: &str, most: usize) -> String {
    let mut safe = String::new();
    for c in text.chars() {
        let before = safe.len();
        if moves(c) {
            safe.extend(c.escape_unicode());
        } else {
            safe.push(c);
        }
        if safe.len() > most {
            safe.truncate(before);
            safe.push('…');
            break;
        }
    }
    safe
}

/// Whether a character does something to those around it.
fn moves(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{ad}'
                | '\u{61c}'
                | '\u{180e}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_moves_a_cursor_or_reorders_text_is_escaped() {
        assert_eq!(plain("https://prover.example/é?a=1"), "https://prover.example/é?a=1");
        assert_eq!(plain("a\u{1b}[2J\nb\u{7}"), "a\\u{1b}[2J\\u{a}b\\u{7}");
        assert_eq!(lines("a\u{1b}[2J\nb"), "a\\u{1b}[2J\nb");
        assert_eq!(plain("\u{9b}31m"), "\\u{9b}31m", "a control sequence in one character");
        assert_eq!(plain("gpj\u{202e}exe\u{200b}"), "gpj\\u{202e}exe\\u{200b}");
        assert!(!plain(&String::from_iter('\0'..'\u{3000}')).chars().any(char::is_control));
    }

    #[test]
    fn long_text_is_cut_between_characters() {
        assert_eq!(shown("ééé", 4), "éé…");
        assert_eq!(shown("ab", 2), "ab");
        assert_eq!(shown("a\u{1b}b", 4), "a…", "an escape is whole or not there");
        assert_eq!(plain(&"x".repeat(1 << 20)).len(), SHOWN_BYTES + '…'.len_utf8());
    }
}
