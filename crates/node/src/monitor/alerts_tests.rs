//! Whether docs/alerts.yml speaks of what there is, and of all that it is to speak of. It is read line by line, as it is written.

use std::collections::{BTreeMap, BTreeSet};

use super::{BalanceStatus, Monitor, StakeStatus, status::tests::well};
use crate::concern::Concern;

const RULES: &str = include_str!("../../../../docs/alerts.yml");
const MANUAL: &str = include_str!("../../../../docs/guides/alerts.md");
const REFERENCE: &str = include_str!("../../../../docs/reference/metrics.md");

/// What a rule says, by its keys.
type Rule = BTreeMap<&'static str, &'static str>;

fn rules() -> Vec<Rule> {
    let mut rules: Vec<Rule> = Vec::new();
    for line in RULES.lines().map(str::trim).filter(|line| !line.starts_with('#')) {
        let (key, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.trim();
        let value = match value.strip_prefix('\'') {
            Some(quoted) => quoted.strip_suffix('\'').expect("a quote that ends in its line"),
            None => value,
        };
        if key == "- alert" {
            rules.push(Rule::new());
        }
        if let Some(rule) = rules.last_mut() {
            rule.insert(key.trim_start_matches("- "), value);
        }
    }
    rules
}

/// The words of an expression, each with the text after it.
fn words(expression: &str) -> Vec<(&str, &str)> {
    let is_in = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut words = Vec::new();
    let mut rest = expression;
    while let Some(start) = rest.find(is_in) {
        rest = &rest[start..];
        let end = rest.find(|c| !is_in(c)).unwrap_or(rest.len());
        words.push((&rest[..end], &rest[end..]));
        rest = &rest[end..];
    }
    words
}

/// Everything that a node exports, once it has all of it to say.
fn exported() -> String {
    let monitor = Monitor::new();
    monitor.tick();
    monitor.failure("proof_failed");
    monitor.loss("raced");
    monitor.reorg(3);
    let mut status = well();
    status.stake = Some(StakeStatus::default());
    status.balance = Some(BalanceStatus::default());
    monitor.publish(status);
    monitor.metrics()
}

/// The anchor of a heading.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().to_lowercase();
    kept.chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-'))
        .collect::<String>()
        .replace(' ', "-")
}

#[test]
fn every_rule_says_what_is_so_and_what_to_do() {
    let anchors: BTreeSet<String> = MANUAL
        .lines()
        .filter(|line| line.starts_with('#'))
        .map(|line| anchor(line.trim_start_matches('#')))
        .collect();
    let mut names = BTreeSet::new();
    for rule in rules() {
        let of = |key| rule.get(key).copied().unwrap_or_default();
        assert!(names.insert(of("alert")), "{} is there twice", of("alert"));
        for key in ["expr", "for", "summary", "description"] {
            assert!(!of(key).is_empty(), "{rule:?} has no {key}");
        }
        assert!(["{ severity: critical }", "{ severity: warning }"].contains(&of("labels")), "{rule:?}");
        let runbook = of("runbook").strip_prefix("docs/guides/alerts.md#").expect("a place in the manual");
        assert!(anchors.contains(runbook), "docs/guides/alerts.md has no #{runbook}");
    }
    assert!(names.len() > 25, "{names:?}");
}

#[test]
fn every_metric_of_a_rule_and_every_label_is_one_that_the_node_exports() {
    let exported = exported();
    let names: BTreeSet<&str> = exported
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split(['{', ' ']).next())
        .collect();
    let mut found = BTreeSet::new();
    for rule in rules() {
        for (word, after) in words(rule["expr"]).into_iter().filter(|(word, _)| word.starts_with("provery_"))
        {
            assert!(names.contains(word), "no node exports {word}: {rule:?}");
            found.insert(word);
            let Some((labels, _)) = after.strip_prefix('{').and_then(|labels| labels.split_once('}')) else {
                continue;
            };
            for label in labels.split(',') {
                let (label, value) = label.split_once('=').expect("a label and its value");
                for value in value.trim_matches(['~', '"']).split('|') {
                    let wanted = format!("{label}=\"{value}\"");
                    let line = |line: &str| line.starts_with(word) && line.contains(&wanted);
                    assert!(exported.lines().any(line), "no node exports {word} with {wanted}");
                }
            }
        }
    }
    assert!(found.len() > 15, "{found:?}");
}

#[test]
fn every_alarm_and_every_concern_has_a_rule_of_its_own() {
    let rules = rules();
    for code in Concern::ALL {
        let expression = format!("provery_concerns{{code=\"{code}\"}} > 0");
        let rule = rules.iter().find(|rule| rule["expr"] == expression);
        let rule = rule.unwrap_or_else(|| panic!("{code} has no rule"));
        let alarm = Concern::ALARMS.contains(&code);
        assert_eq!(rule["labels"] == "{ severity: critical }", alarm, "{code}");
        // It rings before the stake is lost.
        assert!(!alarm || ["0m", "1m"].contains(&rule["for"]), "{code}");
    }
    for code in Concern::ALARMS {
        assert!(Concern::ALL.contains(&code), "{code} is not among all there are");
    }
    let consts = include_str!("../concern.rs").matches(": &'static str = \"").count();
    assert_eq!(consts, Concern::ALL.len(), "one that is in no list");
}

#[test]
fn the_reference_says_what_every_concern_is() {
    for code in Concern::ALL {
        let row = REFERENCE.lines().find(|line| line.starts_with(&format!("| `{code}` |")));
        let row = row.unwrap_or_else(|| panic!("docs/reference/metrics.md does not have {code}"));
        assert_eq!(row.contains("| alarm |"), Concern::ALARMS.contains(&code), "{code}");
    }
}

#[test]
fn whatever_keeps_a_node_from_being_relied_on_has_a_rule() {
    let all: String = rules().iter().map(|rule| format!("{}\n", rule["expr"])).collect();
    for metric in [
        "provery_alarms > 0",
        "outcome=\"missed\"",
        "provery_tick_age_seconds",
        "provery_rpc_up) == 0",
        "provery_chain_lag_blocks",
        "provery_chain_head_age_seconds",
        "provery_breaker_open",
        "provery_paused",
        "provery_earns_nothing",
        "provery_taking",
        "provery_ready == 0",
        "provery_balance_proofs",
        "provery_outbox_unmined_blocks",
        "up{job=\"provery\"} == 0",
    ] {
        assert!(all.contains(metric), "{metric} is in no rule");
    }
}
