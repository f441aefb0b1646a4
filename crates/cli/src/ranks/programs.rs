//! Refuse ranks that run different programs: they would compute different bits.

use std::fs::File;
use std::io::{self, BufReader, Read};

use ebm_train::Collective;
use thiserror::Error;

/// Ranks that do not run the same program.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error(
    "rank {rank} runs ebm {found}, and rank 0 ebm {expected}; give all machines the same program"
)]
pub(super) struct OtherProgram {
    rank: usize,
    found: String,
    expected: String,
}

/// Refuse where a rank runs another program than the first one. All ranks ask at the same time, and find the same.
///
/// # Errors
/// Where one does.
pub(super) fn refuse_others(collective: &dyn Collective) -> Result<(), OtherProgram> {
    // Words, as other versions may know no other format.
    let programs = collective.gather(own().as_bytes()).into_iter();
    let programs = programs.map(|words| String::from_utf8_lossy(&words).into_owned());
    other_than_first(&programs.collect::<Vec<_>>()).map_or(Ok(()), Err)
}

fn other_than_first(programs: &[String]) -> Option<OtherProgram> {
    let expected = programs.first()?;
    let rank = programs.iter().position(|program| program != expected)?;
    Some(OtherProgram {
        rank,
        found: programs[rank].clone(),
        expected: expected.clone(),
    })
}

/// Version and checksum of this program.
fn own() -> String {
    let version = env!("CARGO_PKG_VERSION");
    match checksum() {
        Ok(checksum) => format!("{version} (checksum {checksum:08x})"),
        Err(_) => version.to_owned(), // not every system lets a program read itself
    }
}

fn checksum() -> io::Result<u32> {
    let mut program = BufReader::new(File::open(std::env::current_exe()?)?);
    let mut hasher = crc32fast::Hasher::new();
    let mut block = vec![0; 1 << 20];
    loop {
        match program.read(&mut block)? {
            0 => return Ok(hasher.finalize()),
            read => hasher.update(&block[..read]),
        }
    }
}

#[cfg(test)]
mod tests {
    use ebm_train::Solo;

    use super::*;

    #[test]
    fn the_first_rank_with_another_program_is_named() {
        let programs = |words: [&str; 3]| words.map(str::to_owned);
        assert_eq!(other_than_first(&programs(["1", "1", "1"])), None);
        let other = other_than_first(&programs(["1", "1", "2"])).map(|other| other.to_string());
        let expected =
            "rank 2 runs ebm 2, and rank 0 ebm 1; give all machines the same program".to_owned();
        assert_eq!(other, Some(expected));
        assert_eq!(refuse_others(&Solo), Ok(()));
    }

    #[test]
    fn a_program_knows_itself() {
        assert!(own().contains("checksum"), "{}", own());
    }
}
