//! Read the values of a Python pickle, and run nothing of it.
//!
//! Format: `Lib/pickletools.py` of CPython, protocols 2 to 4. Of their opcodes those are known that
//! dicts, lists, tuples, strings, numbers and numpy's arrays need. A pickle names functions which its
//! reader is to call. Here a call is a value like others, a name with arguments, and nothing is called.
//! Values stand in one list and refer to each other by their places in it: whatever depth a pickle
//! gives them, reading needs no recursion.

mod machine;
mod opcode;

use std::borrow::Cow;

use machine::Machine;

/// What is wrong with a file, as the end of a sentence that begins with its path.
pub(super) type Problem = &'static str;

/// The place of a value in the list of all values.
pub(super) type Id = usize;

/// A value of Python.
pub(super) enum Value<'a> {
    /// `None`, a fraction, or a number of more than 64 bits.
    Other,
    /// A whole number; 0 and 1 also stand for `False` and `True`.
    Int(i64),
    /// Bytes, or a string of Python 2.
    Bytes(&'a [u8]),
    /// Text in UTF-8.
    Text(&'a [u8]),
    /// A list or a tuple.
    Items(Vec<Id>),
    /// Keys with their values; of equal keys the last counts.
    Dict(Vec<(Id, Id)>),
    /// The name of a function or a class, without its module.
    Function(&'a [u8]),
    /// What a function would return.
    Call {
        /// A [`Value::Function`].
        function: Id,
        /// A tuple of them.
        arguments: Id,
        /// What the returned object would be given afterwards.
        state: Option<Id>,
    },
}

/// The values of a pickle.
pub(super) struct Pickle<'a> {
    values: Vec<Value<'a>>,
    top: Id,
}

impl<'a> Pickle<'a> {
    /// Reads the one pickle that `bytes` is; strings stay where they are. Refuses more values than any file of
    /// CIFAR has.
    pub(super) fn read(bytes: &'a [u8]) -> Result<Self, Problem> {
        Machine::run(bytes)
    }

    /// The value that was pickled.
    pub(super) fn top(&self) -> &Value<'a> {
        self.at(self.top)
    }

    /// The value at a place that this pickle gave.
    pub(super) fn at(&self, id: Id) -> &Value<'a> {
        &self.values[id]
    }

    /// The value of an ASCII key of a dict, be that bytes or text.
    pub(super) fn entry(&self, entries: &[(Id, Id)], key: &str) -> Option<&Value<'a>> {
        let mut from_last = entries.iter().rev();
        let &(_, value) = from_last.find(|&&(name, _)| self.is(name, key))?;
        Some(self.at(value))
    }

    /// Whether a value is this ASCII string, as bytes or as text.
    pub(super) fn is(&self, id: Id, string: &str) -> bool {
        let value = self.at(id);
        let found = match value {
            Value::Bytes(found) | Value::Text(found) => Some(*found),
            _ => self.text_of_bytes(value),
        };
        found == Some(string.as_bytes())
    }

    /// The arguments of a call of a function of this name, and the state of what it would return.
    pub(super) fn call(&self, value: &Value<'a>, name: &str) -> Option<(&[Id], Option<Id>)> {
        let &Value::Call {
            function,
            arguments,
            state,
        } = value
        else {
            return None;
        };
        match (self.at(function), self.at(arguments)) {
            (&Value::Function(called), Value::Items(ids)) if called == name.as_bytes() => {
                Some((ids.as_slice(), state))
            }
            _ => None,
        }
    }

    /// The elements of a list or a tuple of whole numbers.
    pub(super) fn ints(&self, value: &Value<'a>) -> Option<Vec<i64>> {
        let Value::Items(ids) = value else {
            return None;
        };
        let ints = ids.iter().map(|&id| match *self.at(id) {
            Value::Int(int) => Some(int),
            _ => None,
        });
        ints.collect()
    }

    /// Bytes, also as Python 3 writes them in protocol 2.
    pub(super) fn bytes(&self, value: &Value<'a>) -> Option<Cow<'a, [u8]>> {
        if let &Value::Bytes(bytes) = value {
            return Some(Cow::Borrowed(bytes));
        }
        let text = str::from_utf8(self.text_of_bytes(value)?).ok()?;
        let bytes: Option<Vec<u8>> = text.chars().map(|char| u8::try_from(char).ok()).collect();
        bytes.map(Cow::Owned)
    }

    /// The text that stands for bytes where Python 3 writes them in protocol 2, which has none: a
    /// character for each, to be encoded in Latin-1.
    fn text_of_bytes(&self, value: &Value<'a>) -> Option<&'a [u8]> {
        let (&[text, encoding], _) = self.call(value, "encode")? else {
            return None;
        };
        match (self.at(text), self.at(encoding)) {
            (&Value::Text(text), &Value::Text(encoding)) if encoding == b"latin1" => Some(text),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::machine::MOST_OPCODES;
    use super::*;

    /// What a pickle of protocol 2 with these opcodes and a `STOP` holds, as text.
    fn shown(opcodes: &[u8]) -> Result<String, Problem> {
        let bytes = [b"\x80\x02", opcodes, b"."].concat();
        let pickle = Pickle::read(&bytes)?;
        Ok(show(&pickle, pickle.top))
    }

    fn show(pickle: &Pickle<'_>, id: Id) -> String {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        match pickle.at(id) {
            Value::Other => "?".into(),
            Value::Int(int) => int.to_string(),
            Value::Bytes(bytes) => format!("b'{}'", text(bytes)),
            Value::Text(bytes) => format!("'{}'", text(bytes)),
            Value::Function(name) => text(name),
            Value::Items(ids) => {
                let items: Vec<String> = ids.iter().map(|&id| show(pickle, id)).collect();
                format!("[{}]", items.join(", "))
            }
            Value::Dict(entries) => {
                let one = |&(key, value)| format!("{}: {}", show(pickle, key), show(pickle, value));
                format!(
                    "{{{}}}",
                    entries.iter().map(one).collect::<Vec<_>>().join(", ")
                )
            }
            &Value::Call {
                function,
                arguments,
                state,
            } => {
                let call = show(pickle, function) + &show(pickle, arguments);
                state.map_or(call.clone(), |id| {
                    format!("{call} with {}", show(pickle, id))
                })
            }
        }
    }

    #[test]
    fn reads_numbers_of_every_width() {
        for (opcodes, expected) in [
            (&b"K\xff"[..], "255"),
            (b"M\x01\xff", "65281"),
            (b"J\xfe\xff\xff\xff", "-2"),
            (b"J\x00\x00\x01\x00", "65536"),
            (b"\x8a\x00", "0"),
            (b"\x8a\x01\x80", "-128"),
            (b"\x8a\x02\x80\x00", "128"),
            (
                b"\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f",
                "9223372036854775807",
            ),
            (b"\x8a\x09\xff\xff\xff\xff\xff\xff\xff\xff\x00", "?"),
            (b"\x88", "1"),
            (b"\x89", "0"),
            (b"N", "?"),
            (b"G\x3f\xf0\x00\x00\x00\x00\x00\x00", "?"),
        ] {
            assert_eq!(shown(opcodes).as_deref(), Ok(expected));
        }
    }

    #[test]
    fn reads_bytes_and_texts_of_every_width() {
        for (opcodes, expected) in [
            (&b"U\x01a"[..], "b'a'"),
            (b"T\x01\x00\x00\x00a", "b'a'"),
            (b"C\x01a", "b'a'"),
            (b"B\x01\x00\x00\x00a", "b'a'"),
            (b"\x8e\x01\x00\x00\x00\x00\x00\x00\x00a", "b'a'"),
            (b"\x8c\x01a", "'a'"),
            (b"X\x01\x00\x00\x00a", "'a'"),
            (b"\x8d\x01\x00\x00\x00\x00\x00\x00\x00a", "'a'"),
        ] {
            assert_eq!(shown(opcodes).as_deref(), Ok(expected));
        }
    }

    #[test]
    fn fills_lists_tuples_and_dicts_and_shares_what_is_remembered() {
        for (opcodes, expected) in [
            (&b"(K\x01(K\x02tt"[..], "[1, [2]]"),
            (b")\x85K\x02\x86K\x03K\x04\x87", "[[[[]], 2], 3, 4]"),
            (b"]K\x01a(K\x02K\x03e", "[1, 2, 3]"),
            (b"}K\x01Ns(K\x02NK\x03Nu", "{1: ?, 2: ?, 3: ?}"),
            (
                b"]q\x05h\x05K\x01\x87h\x05(K\x02e\x86",
                "[[[2], [2], 1], [2]]",
            ),
            (
                b"]r\x05\x00\x00\x00K\x01aj\x05\x00\x00\x00\x86",
                "[[1], [1]]",
            ),
            (b"K\x07\x94]\x94h\x00h\x01\x87", "[[], 7, []]"),
        ] {
            assert_eq!(shown(opcodes).as_deref(), Ok(expected));
        }
    }

    #[test]
    fn a_call_stays_a_name_with_arguments() {
        for (opcodes, expected) in [
            (&b"cos\nsystem\nU\x02ls\x85R"[..], "system[b'ls']"),
            (b"\x8c\x02os\x8c\x06system\x93)R", "system[]"),
            (b"cm\nf\n)RK\x01b", "f[] with 1"),
            (b"cm\nf\n)Rq\x01K\x01bh\x01\x86", "[f[] with 1, f[] with 1]"),
        ] {
            assert_eq!(shown(opcodes).as_deref(), Ok(expected));
        }
    }

    #[test]
    fn bytes_of_protocol_2_are_texts_to_be_encoded() {
        let bytes = b"\x80\x02c_codecs\nencode\nX\x05\x00\x00\x00a\xc3\xbf\xc2\x80X\x06\x00\x00\x00latin1\x86R.";
        let pickle = Pickle::read(bytes).unwrap();
        let found = pickle.bytes(pickle.top());
        assert_eq!(found.as_deref(), Some(&[b'a', 0xff, 0x80][..]));
        assert!(!pickle.is(pickle.top, "a"));
    }

    #[test]
    fn of_equal_keys_the_last_counts_and_bytes_equal_text() {
        let bytes = b"\x80\x02}(U\x01aK\x01X\x01\x00\x00\x00aK\x02U\x01bK\x03u.";
        let pickle = Pickle::read(bytes).unwrap();
        let Value::Dict(entries) = pickle.top() else {
            panic!("a dict");
        };
        let int = |key| match pickle.entry(entries, key) {
            Some(&Value::Int(int)) => Some(int),
            _ => None,
        };
        assert_eq!([int("a"), int("b"), int("c")], [Some(2), Some(3), None]);
    }

    #[test]
    fn refuses_opcodes_out_of_order_and_those_it_does_not_know() {
        for opcodes in [
            &b""[..],
            b"(",
            b"K\x01(.",
            b"K\x01\x86",
            b"K\x01(K\x02\x86",
            b"t",
            b"K\x01a",
            b"K\x01K\x02a",
            b"}(K\x01u",
            b"]K\x01K\x02s",
            b"K\x01K\x02b",
            b"q\x00",
            b"h\x00",
            b"K\x01j\x01\x00\x00\x00",
            b"K\x01K\x02\x93",
            b"R",
            b"]\x8f",
            b"P1\n",
        ] {
            let problem = shown(opcodes).unwrap_err();
            assert_eq!(problem, "is no pickle of dicts, lists and arrays alone");
        }
    }

    #[test]
    fn refuses_other_protocols_and_what_follows_the_end() {
        let problem = |bytes: &[u8]| Pickle::read(bytes).err();
        for bytes in [&b""[..], b"\x80", b"(dp0\n.", b"\x80\x05N.", b"<html>"] {
            let expected = "is no pickle of protocol 2, 3 or 4";
            assert_eq!(problem(bytes), Some(expected));
        }
        assert_eq!(problem(b"\x80\x04N."), None);
        assert_eq!(problem(b"\x80\x04N.N."), Some("has bytes after its end"));
    }

    #[test]
    fn sizes_that_a_pickle_claims_are_not_believed() {
        for opcodes in [
            &b"U\xffab"[..],
            b"T\xff\xff\xff\xffab",
            b"B\xff\xff\xff\xffab",
            b"X\xff\xff\xff\x7fab",
            b"\x8e\xff\xff\xff\xff\xff\xff\xff\xffab",
            b"\x8a\x7fab",
            b"cnumpy",
        ] {
            assert_eq!(shown(opcodes).unwrap_err(), "is cut short");
        }
    }

    #[test]
    fn depth_and_rings_of_values_need_no_recursion() {
        let deep = [b"\x80\x02N".to_vec(), vec![0x85; 500_000], b".".to_vec()].concat();
        assert!(Pickle::read(&deep).is_ok());
        let ring = b"\x80\x02]q\x00h\x00a.";
        assert!(Pickle::read(ring).is_ok());
    }

    #[test]
    fn refuses_more_opcodes_than_any_file_of_cifar_has() {
        let endless = b"\x80\x02".repeat(MOST_OPCODES + 1);
        let problem = Pickle::read(&endless).err();
        assert_eq!(problem, Some("holds more values than any file of CIFAR"));
    }
}
