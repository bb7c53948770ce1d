use super::*;
use crate::error::WitnessError;

/// A graph's file.
#[derive(Default)]
struct File {
    nodes: Vec<Vec<u8>>,
    metadata: Vec<u8>,
    version: u8,
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
    out
}

fn delimited(bytes: &[u8]) -> Vec<u8> {
    [varint(bytes.len() as u64), bytes.to_vec()].concat()
}

fn number(field: u64, value: u64) -> Vec<u8> {
    // As protobuf's third version writes it: what is zero is left out.
    if value == 0 { Vec::new() } else { [varint(field << 3), varint(value)].concat() }
}

fn bytes(field: u64, value: &[u8]) -> Vec<u8> {
    [varint(field << 3 | 2), delimited(value)].concat()
}

impl File {
    fn node(&mut self, kind: u64, numbers: &[u64]) -> u64 {
        let parts = (1..).zip(numbers).flat_map(|(field, value)| number(field, *value)).collect::<Vec<u8>>();
        self.nodes.push(bytes(kind, &parts));
        self.nodes.len() as u64 - 1
    }

    fn constant(&mut self, value: &[u8]) -> u64 {
        self.nodes.push(bytes(2, &bytes(1, &bytes(1, value))));
        self.nodes.len() as u64 - 1
    }

    fn wires(&mut self, wires: &[u64]) {
        let packed: Vec<u8> = wires.iter().flat_map(|wire| varint(*wire)).collect();
        self.metadata.extend(bytes(1, &packed));
    }

    fn input(&mut self, name: &str, offset: u64, count: u64) {
        let place = [number(1, offset), number(2, count)].concat();
        self.metadata.extend(bytes(2, &[bytes(1, name.as_bytes()), bytes(2, &place)].concat()));
    }

    fn prime(&mut self, big_endian: &str) {
        let mut prime = hex::decode(big_endian).expect("hexadecimal");
        prime.reverse();
        self.metadata.extend(bytes(3, &bytes(1, &prime)));
    }

    fn encode(&self) -> Vec<u8> {
        let mut out = [MAGIC, &[self.version]].concat();
        out.extend((self.nodes.len() as u64).to_le_bytes());
        out.extend(self.nodes.iter().flat_map(|node| delimited(node)));
        let at = out.len() as u64;
        out.extend(delimited(&self.metadata));
        out.extend(at.to_le_bytes());
        out
    }
}

fn read(bytes: &[u8]) -> Result<WitnessGraph, WitnessError> {
    WitnessGraph::from_bytes(bytes, Limits::default())
}

const BN254: &str = "30644e72e131a029b85045b68181585d2833e84879b9709143e1f593f0000001";

/// Wires 1, out, a, b[0], b[1], where out = a < 2³² ? a · b[0] + 5 : b[1].
fn sample() -> File {
    let mut file = File { version: b'1', ..File::default() };
    let one = file.node(1, &[0]);
    let a = file.node(1, &[1]);
    let b = [file.node(1, &[2]), file.node(1, &[3])];
    let product = file.node(4, &[0, a, b[0]]);
    let five = file.constant(&[5, 0]);
    let sum = file.node(4, &[2, product, five]);
    let bound = file.constant(&[0, 0, 0, 0, 1]);
    let small = file.node(4, &[9, a, bound]);
    let out = file.node(5, &[0, small, sum, b[1]]);
    file.wires(&[one, out, a, b[0], b[1]]);
    file.input("a", 1, 1);
    file.input("b", 2, 2);
    file.prime(BN254);
    file
}

fn input(json: &str) -> Input {
    Input::from_json(json.as_bytes()).expect("an input")
}

fn numbers(values: &[u64]) -> Vec<Fr> {
    values.iter().map(|value| Fr::from(*value)).collect()
}

#[test]
fn a_graph_computes_every_wire_from_the_inputs() {
    let graph = read(&sample().encode()).expect("a graph");
    let run = |json: &str| graph.calculate(&input(json), &|| false).expect("a witness");
    assert_eq!(run(r#"{"a": 7, "b": [3, 4]}"#), numbers(&[1, 26, 7, 3, 4]));
    assert_eq!(run(r#"{"b": ["3", "4"], "a": "4294967296"}"#), numbers(&[1, 4, 1 << 32, 3, 4]));
    let cancelled = graph.calculate(&input(r#"{"a": 7, "b": [3, 4]}"#), &|| true);
    assert!(matches!(cancelled, Err(WitnessError::Cancelled)));
}

#[test]
fn the_second_version_lists_its_inputs_by_their_places_in_the_circuit() {
    let mut file = sample();
    file.version = b'2';
    let text = |text: &str| [(text.len() as u32).to_le_bytes().to_vec(), text.as_bytes().to_vec()].concat();
    let word = |word: u32| word.to_le_bytes().to_vec();
    // Wires 2 and 3, 4 of the circuit; an array has its length.
    let a = [text("a"), word(2), word(0), vec![0]].concat();
    let b = [text("b"), word(3), word(1), word(2), vec![0]].concat();
    file.metadata.extend(bytes(5, &[word(2), a.clone(), b, word(0)].concat()));
    let graph = read(&file.encode()).expect("a graph");
    let witness = graph.calculate(&input(r#"{"a": 7, "b": [3, 4]}"#), &|| false).expect("a witness");
    assert_eq!(witness, numbers(&[1, 26, 7, 3, 4]));

    let mut file = sample();
    file.version = b'2';
    let bus = [text("p"), word(2), word(0), vec![1], text("Point")].concat();
    file.metadata.extend(bytes(5, &[word(1), bus].concat()));
    let error = read(&file.encode()).expect_err("a bus").to_string();
    assert!(error.contains("input p is a bus"), "{error}");
}

#[test]
fn inputs_that_are_not_the_circuits_are_named() {
    let graph = read(&sample().encode()).expect("a graph");
    for (json, told) in [
        (r#"{"a": 7}"#, "not b"),
        (r#"{"a": 7, "b": [3, 4], "c": 1}"#, "no input c"),
        (r#"{"a": 7, "b": [3]}"#, "b got 1 values and the circuit takes 2"),
    ] {
        let error = graph.calculate(&input(json), &|| false).expect_err(json).to_string();
        assert!(error.contains(told), "{error}");
    }
}

#[test]
fn a_graph_that_makes_no_sense_is_refused() {
    type Break = fn(&mut File);
    let cases: [(&str, Break); 6] = [
        ("node 10", |file| {
            file.node(4, &[0, 10, 1]);
        }),
        ("node 10", |file| {
            file.node(4, &[20, 1, 1]);
        }),
        ("a wire has no node", |file| file.wires(&[99])),
        ("input that the circuit has not", |file| {
            file.node(1, &[4]);
        }),
        ("input that the circuit has not", |file| file.input("c", 3, u64::from(u32::MAX))),
        ("node 10", |file| {
            file.constant(&[0xff; 32]);
        }),
    ];
    for (told, spoil) in cases {
        let mut file = sample();
        spoil(&mut file);
        let error = read(&file.encode()).expect_err(told).to_string();
        assert!(error.contains(told), "{error}");
    }
    let mut other = sample();
    other.prime("73eda753299d7d483339d80809a1d80553bda402fffe5bfeffffffff00000001");
    assert!(matches!(read(&other.encode()), Err(WitnessError::Curve { .. })));
}

#[test]
fn whatever_is_cut_off_or_flipped_is_an_error_or_another_graph_and_never_more() {
    let bytes = sample().encode();
    for end in 0..bytes.len() {
        assert!(read(&bytes[..end]).is_err(), "{end} bytes");
    }
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << bit;
            if let Ok(graph) = read(&flipped) {
                let _ = graph.calculate(&input(r#"{"a": 7, "b": [3, 4]}"#), &|| false);
            }
        }
    }
    let little = Limits { memory: 100, ..Limits::default() };
    assert!(matches!(WitnessGraph::from_bytes(&bytes, little), Err(WitnessError::Memory { limit: 100 })));
    // A count that no file of this size can have takes no memory.
    let mut many = bytes;
    many[MAGIC.len() + 1..MAGIC.len() + 9].copy_from_slice(&u64::MAX.to_le_bytes());
    assert!(read(&many).is_err());
}
