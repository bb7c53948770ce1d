//! As much of Markdown as links and headings take.

use std::ops::Range;

/// A link: where its target is in the text, and the target.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Link {
    pub at: Range<usize>,
    pub target: String,
}

/// Where code is, of which nothing is a link: fenced blocks, and spans between backticks.
fn is_code(text: &str) -> Vec<bool> {
    let mut code = vec![false; text.len()];
    let mut at = 0;
    let mut fenced = false;
    for line in text.split_inclusive('\n') {
        let fence = line.trim_start().starts_with("```");
        if fenced || fence {
            code[at..at + line.len()].fill(true);
            fenced ^= fence;
        } else {
            let mut within = false;
            for (i, byte) in line.bytes().enumerate() {
                code[at + i] = within || byte == b'`';
                within ^= byte == b'`';
            }
        }
        at += line.len();
    }
    code
}

/// Links and pictures, in order: `[text](target)`.
pub(super) fn links(text: &str) -> Vec<Link> {
    let code = is_code(text);
    let mut links = Vec::new();
    let mut from = 0;
    while let Some(found) = text[from..].find("](") {
        let start = from + found + 2;
        let end = start + text[start..].find([')', '\n']).unwrap_or(text.len() - start);
        if !code[start - 1] && text[end..].starts_with(')') {
            links.push(Link { at: start..end, target: text[start..end].to_owned() });
        }
        from = end;
    }
    links
}

/// Paths that mdBook puts into a page: `{{#include path}}`. They are in blocks of code as well.
pub(super) fn includes(text: &str) -> Vec<Link> {
    const OPEN: &str = "{{#include ";
    let mut found = Vec::new();
    for (start, _) in text.match_indices(OPEN) {
        let start = start + OPEN.len();
        if let Some(length) = text[start..].find("}}") {
            found.push(Link { at: start..start + length, target: text[start..start + length].to_owned() });
        }
    }
    found
}

/// The anchors of the headings, as GitHub and mdBook make them.
pub(super) fn anchors(text: &str) -> Vec<String> {
    let code = is_code(text);
    let mut anchors: Vec<String> = Vec::new();
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        // A heading may have code in it, but does not begin with any.
        if line.starts_with('#') && !code[at] {
            let heading = line.trim_start_matches('#').trim().to_lowercase();
            let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
            let anchor: String = kept.map(|c| if c == ' ' { '-' } else { c }).collect();
            let before = anchors.iter().filter(|it| **it == anchor).count();
            anchors.push(if before == 0 { anchor } else { format!("{anchor}-{before}") });
        }
        at += line.len();
    }
    anchors
}

/// The first heading.
pub(super) fn title(text: &str) -> Option<&str> {
    text.lines().find_map(|line| line.strip_prefix("# ")).map(str::trim)
}

/// Whether a target is a place in the repository, and not on the web.
pub(super) fn is_local(target: &str) -> bool {
    !target.contains("://") && !target.starts_with("mailto:")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_found_and_code_is_not() {
        let text = "See [a](b.md#c), ![p](q.svg).\n```sh\n[not](this)\n```\n`[nor](this)` but [here](x)\n";
        let targets: Vec<_> = links(text).into_iter().map(|link| link.target).collect();
        assert_eq!(targets, ["b.md#c", "q.svg", "x"]);
        assert_eq!(&text[links(text)[0].at.clone()], "b.md#c");
    }

    #[test]
    fn anchors_are_those_of_the_web() {
        let text = "# The `node`, left alone\n## A_b\n```\n# no heading\n```\n## A_b\n";
        assert_eq!(anchors(text), ["the-node-left-alone", "a_b", "a_b-1"]);
        assert_eq!(title(text), Some("The `node`, left alone"));
    }
}
