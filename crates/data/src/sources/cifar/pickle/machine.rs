//! Follow the opcodes of a pickle and list the values that they make.

use std::collections::HashMap;

use super::opcode as op;
use super::{Id, Pickle, Problem, Value};

/// The most opcodes that are followed. The largest file of CIFAR has some 200 000.
pub(super) const MOST_OPCODES: usize = 1 << 21;

const NO_PICKLE: Problem = "is no pickle of protocol 2, 3 or 4";
const CUT_SHORT: Problem = "is cut short";
const NOT_PLAIN: Problem = "is no pickle of dicts, lists and arrays alone";
const TOO_LONG: Problem = "holds more values than any file of CIFAR";
const TRAILING: Problem = "has bytes after its end";

/// The state of a reader of pickles.
pub(super) struct Machine<'a> {
    /// The bytes that are still to be read.
    rest: &'a [u8],
    values: Vec<Value<'a>>,
    stack: Vec<Id>,
    /// Heights of the stack at its open marks, none above the height of the stack.
    marks: Vec<usize>,
    memo: HashMap<u64, Id>,
}

impl<'a> Machine<'a> {
    /// Follows a pickle to its end, which must be that of `bytes`.
    pub(super) fn run(bytes: &'a [u8]) -> Result<Pickle<'a>, Problem> {
        let [op::PROTO, 2..=4, ..] = bytes else {
            return Err(NO_PICKLE);
        };
        let mut machine = Self {
            rest: bytes,
            values: Vec::new(),
            stack: Vec::new(),
            marks: Vec::new(),
            memo: HashMap::new(),
        };
        for _ in 0..MOST_OPCODES {
            match machine.byte()? {
                op::STOP => return machine.finish(),
                opcode => machine.follow(opcode)?,
            }
        }
        Err(TOO_LONG)
    }

    fn finish(mut self) -> Result<Pickle<'a>, Problem> {
        let [top] = self.pop::<1>()?;
        let values = self.values;
        if self.rest.is_empty() {
            Ok(Pickle { values, top })
        } else {
            Err(TRAILING)
        }
    }

    /// Does what an opcode other than `STOP` asks for.
    fn follow(&mut self, opcode: u8) -> Result<(), Problem> {
        match opcode {
            op::PROTO => _ = self.take(1)?,
            op::FRAME => _ = self.take(8)?,
            op::MARK => self.marks.push(self.stack.len()),
            op::BINPUT => self.memoize(1)?,
            op::LONG_BINPUT => self.memoize(4)?,
            op::MEMOIZE => self.memoize_as(self.memo.len() as u64)?,
            op::BINGET => self.recall(1)?,
            op::LONG_BINGET => self.recall(4)?,
            op::TUPLE => {
                let items = self.pop_to_mark()?;
                self.push(Value::Items(items));
            }
            op::TUPLE1 => self.tuple::<1>()?,
            op::TUPLE2 => self.tuple::<2>()?,
            op::TUPLE3 => self.tuple::<3>()?,
            op::APPEND => {
                let item = self.pop::<1>()?;
                self.append(&item)?;
            }
            op::APPENDS => {
                let items = self.pop_to_mark()?;
                self.append(&items)?;
            }
            op::SETITEM => {
                let entry = self.pop::<2>()?;
                self.set(&entry)?;
            }
            op::SETITEMS => {
                let entries = self.pop_to_mark()?;
                self.set(&entries)?;
            }
            op::STACK_GLOBAL => self.name_function()?,
            op::REDUCE => {
                let [function, arguments] = self.pop::<2>()?;
                self.push(Value::Call {
                    function,
                    arguments,
                    state: None,
                });
            }
            op::BUILD => {
                let [built] = self.pop::<1>()?;
                let Value::Call { state, .. } = self.top()? else {
                    return Err(NOT_PLAIN);
                };
                *state = Some(built);
            }
            _ => {
                let value = self.leaf(opcode)?;
                self.push(value);
            }
        }
        Ok(())
    }

    /// The value of an opcode that needs nothing but the bytes after it.
    fn leaf(&mut self, opcode: u8) -> Result<Value<'a>, Problem> {
        Ok(match opcode {
            op::NONE => Value::Other,
            op::NEWFALSE => Value::Int(0),
            op::NEWTRUE => Value::Int(1),
            op::BININT1 => Value::Int(self.byte()?.into()),
            op::BININT2 => Value::Int(self.number(2)? as i64),
            op::BININT => signed(self.take(4)?),
            op::LONG1 => signed(self.sized(1)?),
            op::BINFLOAT => {
                self.take(8)?;
                Value::Other
            }
            op::SHORT_BINSTRING | op::SHORT_BINBYTES => Value::Bytes(self.sized(1)?),
            op::BINSTRING | op::BINBYTES => Value::Bytes(self.sized(4)?),
            op::BINBYTES8 => Value::Bytes(self.sized(8)?),
            op::SHORT_BINUNICODE => Value::Text(self.sized(1)?),
            op::BINUNICODE => Value::Text(self.sized(4)?),
            op::BINUNICODE8 => Value::Text(self.sized(8)?),
            op::EMPTY_TUPLE | op::EMPTY_LIST => Value::Items(Vec::new()),
            op::EMPTY_DICT => Value::Dict(Vec::new()),
            op::GLOBAL => {
                self.line()?;
                Value::Function(self.line()?)
            }
            _ => return Err(NOT_PLAIN),
        })
    }

    /// Lists a value and puts it on the stack.
    fn push(&mut self, value: Value<'a>) {
        self.stack.push(self.values.len());
        self.values.push(value);
    }

    /// The value on top of the stack, which stays there.
    fn top(&mut self) -> Result<&mut Value<'a>, Problem> {
        let &id = self.stack.last().ok_or(NOT_PLAIN)?;
        Ok(&mut self.values[id])
    }

    /// Takes the topmost `N` values, the lowest first; none from below the last mark.
    fn pop<const N: usize>(&mut self) -> Result<[Id; N], Problem> {
        let mark = self.marks.last().copied().unwrap_or(0);
        let &taken = self.stack[mark..].last_chunk::<N>().ok_or(NOT_PLAIN)?;
        self.stack.truncate(self.stack.len() - N);
        Ok(taken)
    }

    /// Takes the last mark and all values above it, the lowest first.
    fn pop_to_mark(&mut self) -> Result<Vec<Id>, Problem> {
        let mark = self.marks.pop().ok_or(NOT_PLAIN)?;
        Ok(self.stack.drain(mark..).collect())
    }

    /// Makes a tuple of the topmost `N` values.
    fn tuple<const N: usize>(&mut self) -> Result<(), Problem> {
        let items = self.pop::<N>()?;
        self.push(Value::Items(items.to_vec()));
        Ok(())
    }

    /// Adds values to the list on top of the stack.
    fn append(&mut self, items: &[Id]) -> Result<(), Problem> {
        let Value::Items(list) = self.top()? else {
            return Err(NOT_PLAIN);
        };
        list.extend_from_slice(items);
        Ok(())
    }

    /// Adds keys, each with its value, to the dict on top of the stack.
    fn set(&mut self, keys_and_values: &[Id]) -> Result<(), Problem> {
        let (pairs, []) = keys_and_values.as_chunks::<2>() else {
            return Err(NOT_PLAIN);
        };
        let Value::Dict(entries) = self.top()? else {
            return Err(NOT_PLAIN);
        };
        entries.extend(pairs.iter().map(|&[key, value]| (key, value)));
        Ok(())
    }

    /// Replaces the names of a module and of a function on the stack by the function.
    fn name_function(&mut self) -> Result<(), Problem> {
        let [_module, name] = self.pop::<2>()?;
        let Value::Text(name) = self.values[name] else {
            return Err(NOT_PLAIN);
        };
        self.push(Value::Function(name));
        Ok(())
    }

    /// Remembers the value on top of the stack under a key of `len` bytes, which follow.
    fn memoize(&mut self, len: usize) -> Result<(), Problem> {
        let key = self.number(len)?;
        self.memoize_as(key)
    }

    /// Remembers the value on top of the stack.
    fn memoize_as(&mut self, key: u64) -> Result<(), Problem> {
        let &id = self.stack.last().ok_or(NOT_PLAIN)?;
        self.memo.insert(key, id);
        Ok(())
    }

    /// Puts a remembered value on the stack. Its key has `len` bytes, which follow.
    fn recall(&mut self, len: usize) -> Result<(), Problem> {
        let key = self.number(len)?;
        let &id = self.memo.get(&key).ok_or(NOT_PLAIN)?;
        self.stack.push(id);
        Ok(())
    }

    fn byte(&mut self) -> Result<u8, Problem> {
        let (&byte, rest) = self.rest.split_first().ok_or(CUT_SHORT)?;
        self.rest = rest;
        Ok(byte)
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], Problem> {
        let (taken, rest) = self.rest.split_at_checked(len).ok_or(CUT_SHORT)?;
        self.rest = rest;
        Ok(taken)
    }

    /// The bytes up to the end of the line, which is taken with them.
    fn line(&mut self) -> Result<&'a [u8], Problem> {
        let end = self.rest.iter().position(|&byte| byte == b'\n');
        let line = self.take(end.ok_or(CUT_SHORT)?)?;
        self.take(1)?;
        Ok(line)
    }

    /// An unsigned number of `len` bytes, the lowest first; `len` is at most 8.
    fn number(&mut self, len: usize) -> Result<u64, Problem> {
        let bytes = self.take(len)?.iter().rev();
        Ok(bytes.fold(0, |number, &byte| (number << 8) | u64::from(byte)))
    }

    /// Bytes after their number, which itself has `len` bytes.
    fn sized(&mut self, len: usize) -> Result<&'a [u8], Problem> {
        let size = self.number(len)?;
        self.take(usize::try_from(size).map_err(|_| CUT_SHORT)?)
    }
}

/// A number in two's complement, the lowest byte first, where 64 bits hold it.
fn signed(bytes: &[u8]) -> Value<'static> {
    let is_negative = bytes.last().is_some_and(|&byte| byte >= 0x80);
    let mut whole = [if is_negative { 0xff } else { 0 }; 8];
    match whole.get_mut(..bytes.len()) {
        Some(low) => {
            low.copy_from_slice(bytes);
            Value::Int(i64::from_le_bytes(whole))
        }
        None => Value::Other,
    }
}
