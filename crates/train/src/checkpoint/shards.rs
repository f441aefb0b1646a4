//! Name the files of shards: `buffer-0003.safetensors` is shard 3's `buffer.safetensors`.

use ebm_core::Shard;

/// The name of a shard's file; as it is where there is one shard.
pub(crate) fn name_of_shard(name: &str, shard: Shard) -> String {
    if shard.world == 1 {
        return name.to_owned();
    }
    let number = shard.rank;
    match name.split_once('.') {
        Some((stem, extension)) => format!("{stem}-{number:04}.{extension}"),
        None => format!("{name}-{number:04}"),
    }
}

/// The name without the number of a shard, and that number; `None` of a file that is not a shard's.
pub(super) fn shard_of_name(name: &str) -> Option<(String, u32)> {
    let (stem, extension) = match name.find('.') {
        Some(dot) => name.split_at(dot),
        None => (name, ""),
    };
    let (stem, number) = stem.rsplit_once('-')?;
    let is_number = number.len() >= 4 && number.bytes().all(|byte| byte.is_ascii_digit());
    let number = is_number.then(|| number.parse().ok()).flatten()?;
    Some((format!("{stem}{extension}"), number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_the_number_of_its_shard_where_there_are_several() {
        let shard = |rank, world| Shard { rank, world };
        for (name, rank, expected) in [
            ("buffer.safetensors", 3, "buffer-0003.safetensors"),
            ("chains.json", 12_345, "chains-12345.json"),
            ("notes", 0, "notes-0000"),
        ] {
            let named = name_of_shard(name, shard(rank, 65_536));
            assert_eq!(named, expected);
            assert_eq!(shard_of_name(&named), Some((name.to_owned(), rank)));
            assert_eq!(name_of_shard(name, Shard::WHOLE), name);
        }
        for other in [
            "buffer.safetensors",
            "a-b.json",
            "a-12.json",
            "config.toml",
            "-.x",
        ] {
            assert_eq!(shard_of_name(other), None, "{other}");
        }
    }
}
