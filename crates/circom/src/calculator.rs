//! The witness of an input, by the program that `circom --wasm` writes, in a sandbox.
//!
//! The interpreter is wasmi. Its seven crates build in seconds, where wasmtime with its compiler is about a hundred crates and
//! minutes; a program of two megabytes is ready in under a millisecond, because functions are translated when they are first called,
//! where a compiler needs longer for the program than it then saves; steps are counted exactly, and a program that used up its share
//! can be continued, so time and cancellation are looked at without threads or signals. A witness of 30,000 constraints takes about
//! as long as in V8.
//!
//! What the program can do: compute, and call four functions that take no pointers. No clock, no files, no network. It is given a
//! number of steps, a wall-clock time and an amount of memory, and is a new instance for every witness.

use std::{
    fmt,
    path::Path,
    time::{Duration, Instant},
};

use ark_bn254::Fr;
use wasmi::{
    Caller, CompilationMode, Config, Engine, Error, Extern, ExternType, Instance, Linker, Module, Store,
    StoreLimits, StoreLimitsBuilder, TrapCode, TypedFunc, TypedResumableCall, WasmParams, WasmResults,
    errors::{ErrorKind, FuelError, HostError, InstantiationError, MemoryError, TableError},
};

use crate::{
    container,
    error::{FileError, WitnessError, cut},
    field::{self, BYTES},
    input::Input,
};

/// 32-bit words of a field element.
const WORDS: i32 = (BYTES / 4) as i32;
const MODULE: &str = "runtime";
/// Steps between two looks at the clock: some ten milliseconds.
const SLICE: u64 = 20_000_000;
/// Messages of a program that are kept, and their length.
const MOST_MESSAGES: usize = 8;
const MOST_MESSAGE_BYTES: usize = 256;
/// For reading one message.
const MESSAGE_FUEL: u64 = 100_000;
/// Larger programs are refused unread.
const MOST_PROGRAM_BYTES: usize = 512 << 20;

/// What a circuit's program may use for one witness.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Instructions, about.
    pub steps: u64,
    /// Wall-clock time.
    pub time: Duration,
    /// Bytes of memory.
    pub memory: usize,
}

impl Default for Limits {
    /// Enough for a circuit of millions of constraints.
    fn default() -> Self {
        Self { steps: 200_000_000_000, time: Duration::from_secs(300), memory: 2 << 30 }
    }
}

/// Makes witnesses with one circuit's program.
pub struct WitnessCalculator {
    engine: Engine,
    module: Module,
    limits: Limits,
}

impl fmt::Debug for WitnessCalculator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WitnessCalculator").field("limits", &self.limits).finish_non_exhaustive()
    }
}

/// What the program said through the four functions.
struct Host {
    limits: StoreLimits,
    messages: Vec<String>,
    /// A message is being read: what the program says meanwhile would have its host call it from within itself without end.
    reading: bool,
}

/// The program gave up with a number that circom assigned.
#[derive(Debug)]
struct Exception(i32);

impl fmt::Display for Exception {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "exception {}", self.0)
    }
}

impl HostError for Exception {}

impl WitnessCalculator {
    /// Read a circuit's program. It runs when a witness is asked for.
    pub fn open(path: &Path, limits: Limits) -> Result<Self, OpenError> {
        Ok(Self::from_bytes(&container::map(path)?, limits)?)
    }

    /// Take a circuit's program from memory.
    pub fn from_bytes(program: &[u8], limits: Limits) -> Result<Self, WitnessError> {
        let not_circom = |reason: String| WitnessError::NotCircom { reason };
        if !program.starts_with(b"\0asm") {
            return Err(not_circom("it does not begin as WebAssembly does".to_owned()));
        }
        if program.len() > MOST_PROGRAM_BYTES {
            return Err(not_circom(format!("it has {} bytes", program.len())));
        }
        let mut config = Config::default();
        config
            .consume_fuel(true)
            .compilation_mode(CompilationMode::LazyTranslation)
            .ignore_custom_sections(true)
            .allow_start_fn(false);
        let engine = Engine::new(&config);
        let module = Module::new(&engine, program).map_err(|error| not_circom(error.to_string()))?;
        for import in module.imports() {
            let known = import.module() == MODULE && matches!(import.ty(), ExternType::Func(_));
            if !known {
                return Err(not_circom(format!("it imports {}.{}", import.module(), import.name())));
            }
        }
        Ok(Self { engine, module, limits })
    }

    /// How many wires and how many input values the circuit has that the program is of.
    pub fn sizes(&self) -> Result<(u64, u64), WitnessError> {
        let mut run = Run::start(self, &|| false)?;
        let (wires, inputs): (i32, i32) = (run.call("getWitnessSize", ())?, run.call("getInputSize", ())?);
        Ok((wires.cast_unsigned().into(), inputs.cast_unsigned().into()))
    }

    /// The values of all wires for `input`, the constant one first. `cancelled` is asked every few milliseconds.
    pub fn calculate(&self, input: &Input, cancelled: &dyn Fn() -> bool) -> Result<Vec<Fr>, WitnessError> {
        Run::start(self, cancelled)?.witness(input)
    }
}

/// A file of a program that could not be taken.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// What it holds is no witness calculator.
    #[error(transparent)]
    Program(#[from] WitnessError),
}

/// One instance at work on one witness.
struct Run<'a> {
    store: Store<Host>,
    instance: Instance,
    limits: Limits,
    /// Steps not yet given.
    fuel: u64,
    started: Instant,
    cancelled: &'a dyn Fn() -> bool,
    signal: Option<String>,
}

impl<'a> Run<'a> {
    fn start(calculator: &WitnessCalculator, cancelled: &'a dyn Fn() -> bool) -> Result<Self, WitnessError> {
        let limits = calculator.limits;
        let store_limits = StoreLimitsBuilder::new()
            .memory_size(limits.memory)
            .memories(1)
            .tables(4)
            .table_elements(1_000_000)
            .instances(1)
            .trap_on_grow_failure(true)
            .build();
        let mut store = Store::new(
            &calculator.engine,
            Host { limits: store_limits, messages: Vec::new(), reading: false },
        );
        store.limiter(|host| &mut host.limits);
        let linker = linker(&calculator.engine).map_err(|error| failure(&error, limits, None, &[]))?;
        // Data and tables of the program are set up with fuel, too.
        let first = SLICE.min(limits.steps);
        let started = Instant::now();
        let instance = store
            .set_fuel(first)
            .and_then(|()| linker.instantiate_and_start(&mut store, &calculator.module))
            .map_err(|error| match failure(&error, limits, None, &[]) {
                WitnessError::Trap { reason, .. } => WitnessError::NotCircom { reason },
                other => other,
            })?;
        Ok(Self { store, instance, limits, fuel: limits.steps - first, started, cancelled, signal: None })
    }

    fn witness(mut self, input: &Input) -> Result<Vec<Fr>, WitnessError> {
        let version: i32 = self.call("getVersion", ())?;
        if version != 2 {
            let reason = format!("it is of circom {version}, which this cannot run");
            return Err(WitnessError::NotCircom { reason });
        }
        let words: i32 = self.call("getFieldNumLen32", ())?;
        if words != WORDS {
            return Err(WitnessError::Curve { found: format!("a field of {} bits", i64::from(words) * 32) });
        }
        self.call::<_, ()>("getRawPrime", ())?;
        if let Some(found) = field::other_than_fr(&self.shared()?) {
            return Err(WitnessError::Curve { found });
        }
        // With the circuit's own assertions on.
        self.call::<_, ()>("init", 1)?;
        let size: i32 = self.call("getWitnessSize", ())?;
        if size < 1 {
            return Err(WitnessError::NotCircom { reason: "its witness has no values".to_owned() });
        }
        self.set_inputs(input)?;
        let get = self.function::<i32, ()>("getWitness")?;
        let mut values = Vec::new();
        for wire in 0..size {
            self.run(&get, wire)?;
            let value = field::from_plain(&self.shared()?).ok_or_else(|| WitnessError::Trap {
                reason: format!("the value of wire {wire} is not below the field's modulus"),
                signal: None,
            })?;
            values.push(value);
        }
        Ok(values)
    }

    fn set_inputs(&mut self, input: &Input) -> Result<(), WitnessError> {
        let expected = self.call::<_, i32>("getInputSize", ())?.cast_unsigned().into();
        let size_of = self.function::<(i32, i32), i32>("getInputSignalSize")?;
        let write = self.function::<(i32, i32), ()>("writeSharedRWMemory")?;
        let set = self.function::<(i32, i32, i32), ()>("setInputSignal")?;
        // Every name is looked at before the last value starts the computation.
        for (signal, values) in input.signals() {
            let size = self.run(&size_of, split(fnv1a(signal)))?;
            // Of a name that it does not know circom says 0 or −1.
            if size < 1 && !values.is_empty() {
                return Err(WitnessError::UnknownSignal { signal: cut(signal) });
            }
            let size = u64::try_from(size).unwrap_or_default();
            if size != values.len() as u64 {
                let signal = cut(signal);
                return Err(WitnessError::ValueCount { signal, expected: size, actual: values.len() });
            }
        }
        let given = input.signals().map(|(_, values)| values.len() as u64).sum();
        if given != expected {
            return Err(WitnessError::Missing { set: given, expected, missing: Vec::new() });
        }
        for (signal, values) in input.signals() {
            let (high, low) = split(fnv1a(signal));
            self.signal = Some(signal.to_owned());
            for (index, value) in (0..).zip(values) {
                let bytes = field::to_plain(value);
                for (word, bytes) in (0..).zip(bytes.as_chunks().0) {
                    self.run(&write, (word, i32::from_le_bytes(*bytes)))?;
                }
                self.run(&set, (high, low, index))?;
            }
        }
        self.signal = None;
        Ok(())
    }

    /// The number in the memory that the program shares with its host.
    fn shared(&mut self) -> Result<[u8; BYTES], WitnessError> {
        let read = self.function::<i32, i32>("readSharedRWMemory")?;
        let mut out = [0; BYTES];
        for (word, bytes) in (0..WORDS).zip(out.chunks_exact_mut(4)) {
            bytes.copy_from_slice(&self.run(&read, word)?.to_le_bytes());
        }
        Ok(out)
    }

    fn function<P: WasmParams, R: WasmResults>(&self, name: &str) -> Result<TypedFunc<P, R>, WitnessError> {
        self.instance.get_typed_func(&self.store, name).map_err(|_| WitnessError::NotCircom {
            reason: format!("it has no function {name}, or another one than circom 2.0.7 and later write"),
        })
    }

    fn call<P: WasmParams, R: WasmResults>(&mut self, name: &str, params: P) -> Result<R, WitnessError> {
        let function = self.function(name)?;
        self.run(&function, params)
    }

    /// Run a function a slice of steps at a time.
    fn run<P: WasmParams, R: WasmResults>(
        &mut self,
        function: &TypedFunc<P, R>,
        params: P,
    ) -> Result<R, WitnessError> {
        let mut state = function.call_resumable(&mut self.store, params);
        loop {
            let call = match state {
                Ok(TypedResumableCall::Finished(result)) => return Ok(result),
                Ok(TypedResumableCall::HostTrap(call)) => return Err(self.failure(call.host_error())),
                Ok(TypedResumableCall::OutOfFuel(call)) => call,
                Err(error) => return Err(self.failure(&error)),
            };
            self.refuel(call.required_fuel())?;
            state = call.resume(&mut self.store);
        }
    }

    fn refuel(&mut self, required: u64) -> Result<(), WitnessError> {
        if (self.cancelled)() {
            return Err(WitnessError::Cancelled);
        }
        if self.started.elapsed() > self.limits.time {
            return Err(WitnessError::Time { limit: self.limits.time });
        }
        let left = self.store.get_fuel().unwrap_or_default();
        let slice = SLICE.max(required).min(self.fuel);
        if left.saturating_add(slice) < required || slice == 0 {
            return Err(WitnessError::Steps { fuel: self.limits.steps });
        }
        self.fuel -= slice;
        self.store.set_fuel(left.saturating_add(slice)).map_err(|error| self.failure(&error))
    }

    fn failure(&self, error: &Error) -> WitnessError {
        failure(error, self.limits, self.signal.as_ref(), &self.store.data().messages)
    }
}

/// What went wrong, in words.
fn failure(error: &Error, limits: Limits, signal: Option<&String>, messages: &[String]) -> WitnessError {
    let signal = signal.cloned();
    if let Some(Exception(code)) = error.downcast_ref::<Exception>() {
        let messages = messages.to_vec();
        // The numbers are circom's.
        let what = match code {
            1 => "signal not found".to_owned(),
            2 => "too many signals set".to_owned(),
            3 => "signal already set".to_owned(),
            4 => return WitnessError::Assert { messages },
            5 => "not enough memory".to_owned(),
            6 => "access beyond an input's array".to_owned(),
            other => format!("error {other}"),
        };
        return WitnessError::Circuit { what, signal, messages };
    }
    match error.kind() {
        ErrorKind::TrapCode(TrapCode::OutOfFuel)
        | ErrorKind::ResumableOutOfFuel(_)
        | ErrorKind::Memory(MemoryError::OutOfFuel { .. })
        | ErrorKind::Table(TableError::OutOfFuel { .. })
        | ErrorKind::Fuel(FuelError::OutOfFuel { .. }) => WitnessError::Steps { fuel: limits.steps },
        ErrorKind::TrapCode(TrapCode::GrowthOperationLimited | TrapCode::OutOfSystemMemory)
        | ErrorKind::Memory(_)
        | ErrorKind::Table(_)
        | ErrorKind::Instantiation(
            InstantiationError::FailedToInstantiateMemory(_)
            | InstantiationError::FailedToInstantiateTable(_)
            | InstantiationError::TooManyMemories
            | InstantiationError::TooManyTables,
        ) => WitnessError::Memory { limit: limits.memory },
        // Compiling the program may want for memory, too, which has no kind of its own.
        _ if error.to_string().contains("out of system memory") => {
            WitnessError::Memory { limit: limits.memory }
        }
        _ => WitnessError::Trap { reason: error.to_string(), signal },
    }
}

/// The four functions that circom's programs import. What they would print is kept if it explains a failure, and not otherwise.
fn linker(engine: &Engine) -> Result<Linker<Host>, Error> {
    let mut linker = Linker::new(engine);
    linker.func_wrap(MODULE, "exceptionHandler", |code: i32| Err::<(), _>(Error::host(Exception(code))))?;
    linker.func_wrap(MODULE, "printErrorMessage", |mut caller: Caller<'_, Host>| {
        let message = message(&mut caller)?;
        let messages = &mut caller.data_mut().messages;
        if !message.is_empty() && messages.len() < MOST_MESSAGES {
            messages.push(message);
        }
        Ok::<_, Error>(())
    })?;
    linker.func_wrap(MODULE, "writeBufferMessage", |mut caller: Caller<'_, Host>| {
        message(&mut caller).map(|_| ())
    })?;
    linker.func_wrap(MODULE, "showSharedRWMemory", || ())?;
    Ok(linker)
}

/// The program's message, a character a call.
fn message(caller: &mut Caller<'_, Host>) -> Result<String, Error> {
    if std::mem::replace(&mut caller.data_mut().reading, true) {
        return Err(Error::new("it writes a message while one is read"));
    }
    // The program's share of steps must not end within a call from here, which could not be continued.
    let fuel = caller.get_fuel()?;
    caller.set_fuel(MESSAGE_FUEL)?;
    let message = read_message(caller)?;
    let used = MESSAGE_FUEL.saturating_sub(caller.get_fuel()?);
    caller.set_fuel(fuel.saturating_sub(used))?;
    caller.data_mut().reading = false;
    Ok(message)
}

fn read_message(caller: &mut Caller<'_, Host>) -> Result<String, Error> {
    let next = caller.get_export("getMessageChar").and_then(Extern::into_func);
    let next = next.ok_or_else(|| Error::new("it has no function getMessageChar"))?;
    let next = next.typed::<(), i32>(&*caller)?;
    let mut message = String::new();
    for _ in 0..MOST_MESSAGE_BYTES {
        match u8::try_from(next.call(&mut *caller, ())?) {
            Ok(0) => break,
            Ok(byte) if byte.is_ascii_graphic() => message.push(byte.into()),
            _ => message.push(' '),
        }
    }
    Ok(message.trim().to_owned())
}

/// FNV-1a of 64 bits: circom's programs know inputs by the hash of their names.
fn fnv1a(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

fn split(hash: u64) -> (i32, i32) {
    (((hash >> 32) as u32).cast_signed(), (hash as u32).cast_signed())
}
