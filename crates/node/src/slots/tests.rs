//! The whole table: every stage by every input.

use alloy::primitives::Address;
use provery_mechanisms::{Decision, Reason};

use super::*;

const OTHER: Address = Address::repeat_byte(0xAA);
const ME: Address = Address::repeat_byte(0x11);

const STAGES: [(&str, SlotStage); 13] = [
    ("seen", SlotStage::Seen),
    ("wait", SlotStage::Waiting { until: 50 }),
    ("igno", SlotStage::Ignored),
    ("queu", SlotStage::Queued),
    ("prvg", SlotStage::Proving),
    ("prvd", SlotStage::Proved { not_before: 50 }),
    ("subm", SlotStage::Submitting),
    ("mine", SlotStage::Settled { by_me: true, payee: ME }),
    ("thrs", SlotStage::Settled { by_me: false, payee: OTHER }),
    ("lost", SlotStage::Lost { payee: OTHER }),
    ("expd", SlotStage::Expired),
    ("canc", SlotStage::Cancelled),
    ("fail", SlotStage::Failed),
];

fn inputs() -> Vec<(&'static str, Input)> {
    use Decision::{Ignore, Prove, Wait};
    let decided = |decision| Input::Decided { decision, has_proof: false };
    vec![
        ("prove", decided(Prove { reason: Reason::Assigned })),
        ("prove+", Input::Decided { decision: Prove { reason: Reason::Assigned }, has_proof: true }),
        ("held", decided(Wait { until: 90, reason: Reason::HeldByAnother })),
        ("turn", decided(Wait { until: 90, reason: Reason::OthersFirst })),
        ("over", decided(Ignore { reason: Reason::Expired })),
        ("cheap", decided(Ignore { reason: Reason::PaysTooLittle })),
        ("unprovable", Input::Unprovable),
        ("started", Input::ProofStarted),
        ("done", Input::ProofDone),
        ("failed", Input::ProofFailed { retry_at: 90 }),
        ("stopped", Input::ProofCancelled),
        ("send", Input::SendStarted),
        ("mined", Input::SendMined),
        ("nosend", Input::SendFailed { retry_at: 90 }),
        ("raced", Input::SendRaced),
        ("refused", Input::ProofRefused { retry_at: 90 }),
        ("mine", Input::Proven { payee: ME, by_me: true }),
        ("theirs", Input::Proven { payee: OTHER, by_me: false }),
        ("expired", Input::Expired),
        ("cancelled", Input::Cancelled),
        ("reopened", Input::Reopened { has_proof: false }),
        ("reopened+", Input::Reopened { has_proof: true }),
        ("changed", Input::Changed),
        ("replaced", Input::Replaced),
        ("timeback", Input::TimeWentBack),
        ("restart", Input::Restarted { has_proof: false }),
        ("restart+", Input::Restarted { has_proof: true }),
    ]
}

/// `.` stays; a name moves there, `prvd` and `wait` with the 90 of the input, or, as `prvd0`, at once. `!` cancels the
/// proof, `-` drops it, `#` counts an attempt.
const TABLE: &str = "
            seen  wait  igno  queu  prvg  prvd  subm  mine  thrs  lost  expd  canc  fail
prove       queu  queu  queu  .     .     .     .     .     .     .     .     .     .
prove+      prvd0 prvd0 prvd0 .     .     .     .     .     .     .     .     .     .
held        wait  wait  wait  wait  wait! prvd  .     .     .     .     .     .     .
turn        wait  wait  wait  wait  .     .     .     .     .     .     .     .     .
over        igno  igno  .     igno  igno! igno  .     .     .     .     .     .     .
cheap       igno  igno  .     igno  .     .     .     .     .     .     .     .     .
unprovable  igno  igno  .     igno  igno! .     .     .     .     .     .     .     .
started     .     .     .     prvg  .     .     .     .     .     .     .     .     .
done        .     .     .     prvd0 prvd0 .     .     .     .     .     .     .     .
failed      .     .     .     .     wait# .     .     .     .     .     .     .     .
stopped     .     .     .     .     seen  .     .     .     .     .     .     .     .
send        .     .     .     .     .     subm  .     .     .     .     .     .     .
mined       .     .     .     .     .     .     .     .     .     .     .     .     .
nosend      .     .     .     .     .     .     prvd  .     .     .     .     .     .
raced       .     .     .     .     .     .     .     .     .     .     .     .     .
refused     .     .     .     .     .     .     wait#- .    .     .     .     .     .
mine        mine  mine  mine  mine  mine! mine  mine  .     mine  mine  mine  mine  mine
theirs      thrs  thrs  thrs  lost  lost! lost  lost  thrs  .     .     thrs  thrs  thrs
expired     expd  expd  expd  expd  expd! expd  expd  expd  expd  expd  .     expd  expd
cancelled   canc  canc  canc  canc  canc! canc  canc  canc  canc  canc  canc  .     canc
reopened    .     .     .     .     .     .     .     seen  seen  seen  seen  seen  .
reopened+   .     .     .     .     .     .     .     prvd0 prvd0 prvd0 prvd0 prvd0 .
changed     .     seen  seen  .     .     .     .     .     .     .     .     .     .
replaced    .     seen- seen- seen- seen!- seen- seen- seen- seen- seen- seen- seen- seen-
timeback    .     seen  seen  .     .     prvd0 .     .     .     .     .     .     .
restart     .     seen  seen  .     queu  queu  queu  .     .     .     .     .     seen
restart+    .     seen  seen  .     prvd0 prvd0 prvd0 .     .     .     .     .     seen
";

fn expected(from: SlotStage, cell: &str) -> Step {
    let name = cell.trim_end_matches(['!', '-', '#']);
    let stage = match name {
        "." => from,
        "wait" => SlotStage::Waiting { until: 90 },
        "prvd" => SlotStage::Proved { not_before: 90 },
        "prvd0" => SlotStage::Proved { not_before: 0 },
        name => STAGES.iter().find(|(stage, _)| *stage == name).expect("a stage of the table").1,
    };
    let mut actions = Vec::new();
    if cell.contains('!') {
        actions.push(Action::CancelProof);
    }
    if cell.contains('-') {
        actions.push(Action::DropProof);
    }
    Step { work: Work { stage, attempts: u32::from(cell.contains('#')) }, actions }
}

#[test]
fn every_stage_by_every_input() {
    let mut rows = TABLE.trim().lines();
    let columns: Vec<&str> = rows.next().expect("a head").split_whitespace().collect();
    assert_eq!(columns, STAGES.map(|(name, _)| name));
    let rows: Vec<Vec<&str>> = rows.map(|row| row.split_whitespace().collect()).collect();
    let inputs = inputs();
    assert_eq!(
        rows.iter().map(|row| row[0]).collect::<Vec<_>>(),
        inputs.iter().map(|(name, _)| *name).collect::<Vec<_>>()
    );
    for (row, (name, input)) in rows.iter().zip(&inputs) {
        assert_eq!(row.len(), STAGES.len() + 1, "{name}");
        for (cell, (from, stage)) in row[1..].iter().zip(STAGES) {
            let work = Work { stage, attempts: 0 };
            assert_eq!(step(work, input), expected(stage, cell), "{name} at {from}");
        }
    }
}

#[test]
fn the_same_input_twice_is_the_same_as_once() {
    for (name, input) in inputs() {
        for (from, stage) in STAGES {
            let once = step(Work { stage, attempts: 0 }, &input).work;
            let twice = step(once, &input);
            // A decision for a changed slot is a fresh one: seen, then decided.
            if matches!(input, Input::Decided { .. }) && once.stage == SlotStage::Seen {
                continue;
            }
            assert_eq!(twice.work, once, "{name} at {from}");
            assert!(twice.actions.is_empty(), "{name} at {from}: {:?}", twice.actions);
        }
    }
}

#[test]
fn a_proof_that_keeps_failing_is_given_up() {
    let mut work = Work::default();
    for attempt in 1..=MAX_ATTEMPTS {
        work.stage = SlotStage::Proving;
        work = step(work, &Input::ProofFailed { retry_at: 7 }).work;
        assert_eq!(work.attempts, attempt);
    }
    assert_eq!(work.stage, SlotStage::Failed);
    let again = step(work, &Input::Restarted { has_proof: false }).work;
    assert_eq!(again, Work::default(), "a restart gives it another chance");
}

#[test]
fn names_are_listed() {
    for (_, stage) in STAGES {
        assert!(SlotStage::NAMES.contains(&stage.name()));
    }
}
