//! Programs that do not want to end, and those that want too much.

use std::time::{Duration, Instant};

use provery_circom::{Input, Limits, WitnessCalculator, WitnessError};

use crate::allocations;

/// A program of circom's outside, whose `init` is `body`.
fn program(body: &str) -> Vec<u8> {
    let text = format!(
        r#"(module
        (import "runtime" "exceptionHandler" (func $exception (param i32)))
        (import "runtime" "printErrorMessage" (func $print))
        (import "runtime" "writeBufferMessage" (func $write))
        (import "runtime" "showSharedRWMemory" (func $show))
        (memory (export "memory") 1)
        (data (i32.const 0) "\01\00\00\f0\93\f5\e1\43\91\70\b9\79\48\e8\33\28\5d\58\81\81\b6\45\50\b8\29\a0\31\e1\72\4e\64\30")
        (func (export "getVersion") (result i32) i32.const 2)
        (func (export "getFieldNumLen32") (result i32) i32.const 8)
        (func (export "getRawPrime"))
        (func (export "getWitnessSize") (result i32) i32.const -1)
        (func (export "getInputSize") (result i32) i32.const 0)
        (func (export "getInputSignalSize") (param i32 i32) (result i32) i32.const -1)
        (func (export "writeSharedRWMemory") (param i32 i32))
        (func (export "readSharedRWMemory") (param i32) (result i32)
            (i32.load (i32.shl (local.get 0) (i32.const 2))))
        (func (export "setInputSignal") (param i32 i32 i32))
        (func (export "getWitness") (param i32))
        {body})"#
    );
    wat::parse_str(text).unwrap()
}

fn init(body: &str) -> Vec<u8> {
    program(&format!(
        r#"(func (export "getMessageChar") (result i32) i32.const 0)
        (func $self (export "init") (param i32) {body})"#
    ))
}

fn run(program: &[u8], limits: Limits) -> WitnessError {
    let input = Input::from_json(b"{}").unwrap();
    let calculator = WitnessCalculator::from_bytes(program, limits).unwrap();
    calculator.calculate(&input, &|| false).unwrap_err()
}

fn short() -> Limits {
    Limits { steps: 50_000_000, time: Duration::from_secs(60), memory: 1 << 24 }
}

#[test]
fn a_loop_without_end_is_stopped_by_steps_time_or_the_caller() {
    let endless = init("(loop br 0)");
    let error = run(&endless, short());
    assert!(matches!(error, WitnessError::Steps { fuel: 50_000_000 }), "{error}");

    let started = Instant::now();
    let limits = Limits { steps: u64::MAX, time: Duration::from_millis(300), ..short() };
    let error = run(&endless, limits);
    assert!(matches!(error, WitnessError::Time { .. }), "{error}");
    assert!(started.elapsed() < Duration::from_secs(10));

    let calculator = WitnessCalculator::from_bytes(&endless, Limits { steps: u64::MAX, ..short() }).unwrap();
    let asked = std::cell::Cell::new(0);
    let cancelled = || asked.replace(asked.get() + 1) == 3;
    let error = calculator.calculate(&Input::from_json(b"{}").unwrap(), &cancelled).unwrap_err();
    assert!(matches!(error, WitnessError::Cancelled), "{error}");
}

#[test]
fn memory_without_end_is_refused() {
    allocations::forget();
    let error = run(&init("(loop (drop (memory.grow (i32.const 16))) br 0)"), short());
    assert!(matches!(error, WitnessError::Memory { limit: 16_777_216 }), "{error}");
    let error = run(&init("(drop (memory.grow (i32.const 65000)))"), short());
    assert!(matches!(error, WitnessError::Memory { .. }), "{error}");
    // What it begins with counts, too.
    let whole = wat::parse_str("(module (memory 65536))").unwrap();
    let error = run(&whole, short());
    assert!(matches!(error, WitnessError::Memory { .. }), "{error}");
    let error = run(&wat::parse_str("(module (table 10000000 funcref))").unwrap(), short());
    assert!(matches!(error, WitnessError::Memory { .. }), "{error}");
    assert!(allocations::largest() <= 1 << 25, "{}", allocations::largest());
}

#[test]
fn recursion_without_end_is_a_trap() {
    let error = run(&init("(call $self (local.get 0))"), short());
    assert!(matches!(error, WitnessError::Trap { .. } | WitnessError::Steps { .. }), "{error}");
}

#[test]
fn messages_without_end_count_as_steps() {
    let endless = program(
        r#"(func (export "getMessageChar") (result i32) i32.const 65)
        (func (export "init") (param i32) (loop (call $print) (call $write) (call $show) br 0))"#,
    );
    let started = Instant::now();
    assert!(matches!(run(&endless, short()), WitnessError::Steps { .. }));
    assert!(started.elapsed() < Duration::from_secs(30), "{:?}", started.elapsed());

    // A message that is never told.
    let stuck = program(
        r#"(func (export "getMessageChar") (result i32) (loop br 0) i32.const 65)
        (func (export "init") (param i32) (call $print))"#,
    );
    assert!(matches!(run(&stuck, short()), WitnessError::Steps { .. }));

    // One whose telling asks for it to be told.
    let nested = program(
        r#"(func (export "getMessageChar") (result i32) (call $print) i32.const 65)
        (func (export "init") (param i32) (call $print))"#,
    );
    let error = run(&nested, short());
    assert!(matches!(error, WitnessError::Trap { .. }), "{error}");
}

#[test]
fn circoms_errors_become_sentences() {
    for (code, part) in [
        (1, "signal not found"),
        (2, "too many signals set"),
        (3, "signal already set"),
        (4, "an assertion failed"),
        (5, "not enough memory"),
        (6, "beyond an input's array"),
        (99, "error 99"),
    ] {
        let error = run(&init(&format!("(call $exception (i32.const {code}))")), short()).to_string();
        assert!(error.contains(part), "{error}");
    }
    let error = run(&init("unreachable"), short());
    assert!(matches!(error, WitnessError::Trap { .. }), "{error}");
}

#[test]
fn a_witness_of_no_size_is_refused() {
    let error = run(&init(""), short());
    assert!(error.to_string().contains("no values"), "{error}");
}

#[test]
fn what_is_no_circom_program_is_refused() {
    for (program, part) in [
        (b"hello".to_vec(), "does not begin as WebAssembly does"),
        (b"\0asm\x01\0\0\0\xff".to_vec(), "no program of a circom 2 circuit"),
        (
            wat::parse_str("(module (import \"wasi\" \"fd_write\" (func)))").unwrap(),
            "it imports wasi.fd_write",
        ),
        (wat::parse_str("(module (import \"env\" \"memory\" (memory 1)))").unwrap(), "it imports env.memory"),
    ] {
        let error = WitnessCalculator::from_bytes(&program, short()).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
    for (program, part) in [
        ("(module)", "getVersion"),
        ("(module (func (export \"getVersion\") (result i32) i32.const 1))", "circom 1"),
        ("(module (import \"runtime\" \"clock\" (func)))", "clock"),
        ("(module (func $f) (start $f))", ""),
    ] {
        let program = wat::parse_str(program).unwrap();
        let error = match WitnessCalculator::from_bytes(&program, short()) {
            Err(error) => error,
            Ok(calculator) => calculator.calculate(&Input::from_json(b"{}").unwrap(), &|| false).unwrap_err(),
        };
        assert!(
            matches!(error, WitnessError::NotCircom { .. }) && error.to_string().contains(part),
            "{error}"
        );
    }
}
