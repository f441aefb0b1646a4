//! Check that files that are damaged, hostile or stored in another way are refused.

use parquet::basic::{Compression, CompressionCodec, Encoding};
use parquet::file::metadata::{
    ColumnChunkMetaDataBuilder, ParquetMetaDataReader, ParquetMetaDataWriter, RowGroupMetaData,
};
use parquet::file::properties::WriterVersion;

use super::{Cells, FEATURES, SCHEMA, group, hub_table, load_bytes, load_with, properties, table};

const DAMAGED: &str = "DIR/train.parquet is no parquet file, or a damaged one: download it again";

/// A file with dictionaries and pages of several kinds.
fn files() -> Vec<Vec<u8>> {
    let versions = [WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0];
    let codecs = [Compression::UNCOMPRESSED, Compression::SNAPPY];
    let each = versions
        .into_iter()
        .flat_map(|version| codecs.map(|codec| (version, codec)));
    let groups = [group(&[1, 2, 1], &[0, 3, 0]), group(&[5], &[1])];
    each.map(|(version, codec)| {
        let properties = properties(Some(FEATURES))
            .set_writer_version(version)
            .set_compression(codec)
            .set_write_batch_size(1)
            .set_data_page_row_count_limit(2)
            .set_dictionary_enabled(version == WriterVersion::PARQUET_2_0);
        table(SCHEMA, properties, &groups)
    })
    .collect()
}

#[test]
fn a_file_cut_anywhere_is_refused() {
    let whole = hub_table(&[1, 2], &[0, 1]);
    for kept in (0..whole.len())
        .step_by(7)
        .chain([4, 8, 12, whole.len() - 1])
    {
        let message = load_bytes(&whole[..kept]).unwrap_err();
        assert!(message.starts_with(DAMAGED), "{kept} bytes: {message}");
    }
    for end in [4, 40] {
        let cut = [&whole[..40], &whole[whole.len() - end..]].concat();
        let message = load_bytes(&cut).unwrap_err();
        assert!(message.starts_with(DAMAGED), "{message}");
    }
}

#[test]
fn flipped_bytes_are_an_error_or_other_images_and_never_a_panic() {
    let skip_bad = |bytes: &[u8]| {
        load_with("train.parquet", &[("train.parquet", bytes)], |config| {
            config.skip_bad = true;
            config.image_size = 4;
        })
    };
    for whole in files() {
        assert_eq!(skip_bad(&whole).unwrap().train.len(), 4);
        for at in (0..whole.len()).step_by(7) {
            for flip in [0x01, 0x80, 0xff] {
                let mut flipped = whole.clone();
                flipped[at] ^= flip;
                if let Ok(data) = skip_bad(&flipped) {
                    assert!(data.train.len() <= 4, "{at}, {flip}");
                }
            }
        }
    }
}

#[test]
fn says_what_a_file_is_that_is_none() {
    for (content, cause) in [
        (&b""[..], "does not begin with PAR1"),
        (b"PAR1", "its footer is longer than the file"),
        (b"PAR1, and then nothing more", "it is cut short"),
        (b"\x89PNG and then more", "does not begin with PAR1"),
        (
            b"PAR1\xff\xff\xff\xffPAR1",
            "its footer is longer than the file",
        ),
        (b"PAR1\x00\x00\x00\x00PAR1", "its footer makes no sense"),
        (b"PAR1\x00\x01\x00\x00\x00PAR1", "Required field"),
    ] {
        let message = load_bytes(content).unwrap_err();
        assert!(message.starts_with(DAMAGED), "{message}");
        assert!(message.contains(cause), "{message}");
    }
    let pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n";
    assert_eq!(
        load_bytes(pointer).unwrap_err(),
        "DIR/train.parquet is a pointer to a file that Git LFS has not fetched: run `git lfs pull`"
    );
    let mut encrypted = hub_table(&[1], &[0]);
    encrypted.pop();
    encrypted.push(b'E');
    assert_eq!(
        load_bytes(&encrypted).unwrap_err(),
        "DIR/train.parquet is encrypted: write it again without encryption"
    );
}

/// A file with another footer.
fn with_footer(bytes: &[u8], change: impl Fn(RowGroupMetaData) -> RowGroupMetaData) -> Vec<u8> {
    let tail = bytes.len() - 8;
    let len = u32::from_le_bytes(bytes[tail..tail + 4].try_into().unwrap()) as usize;
    let metadata = ParquetMetaDataReader::decode_metadata(&bytes[tail - len..tail]).unwrap();
    let groups = metadata.row_groups().iter().cloned().map(change).collect();
    let metadata = metadata.into_builder().set_row_groups(groups).build();
    let mut changed = bytes[..tail - len].to_vec();
    ParquetMetaDataWriter::new(&mut changed, &metadata)
        .finish()
        .unwrap();
    changed
}

/// A file that says something else of its columns.
fn with_chunks(
    bytes: &[u8],
    change: impl Fn(ColumnChunkMetaDataBuilder) -> ColumnChunkMetaDataBuilder,
) -> Vec<u8> {
    with_footer(bytes, |group| {
        let mut group = group.into_builder();
        let chunks = group.take_columns().into_iter();
        let chunks = chunks.map(|chunk| change(chunk.into_builder()).build().unwrap());
        group.set_column_metadata(chunks.collect()).build().unwrap()
    })
}

#[test]
fn numbers_of_rows_that_lie_are_refused() {
    let whole = hub_table(&[1, 2], &[0, 1]);
    let schema = SCHEMA.replace("label", "count");
    let unlabelled = table(&schema, properties(None), &[group(&[1, 2], &[0, 1])]);
    for bytes in [&whole, &unlabelled] {
        for (num, cause) in [
            (1, "it has more rows than it says"),
            (3, "it has fewer rows than it says"),
            (1 << 40, "it says that it has 1099511627776 rows in"),
            (i64::MAX, "it says that it has 9223372036854775807 rows in"),
            (-1, "it says that a row group has -1 rows"),
        ] {
            let lying = with_footer(bytes, |group| {
                group.into_builder().set_num_rows(num).build().unwrap()
            });
            let message = load_bytes(&lying).unwrap_err();
            assert!(message.starts_with(DAMAGED), "{message}");
            assert!(message.contains(cause), "{message}");
        }
    }
}

#[test]
fn columns_that_are_not_in_the_file_are_refused() {
    let whole = hub_table(&[1, 2], &[0, 1]);
    let lies: [fn(ColumnChunkMetaDataBuilder) -> ColumnChunkMetaDataBuilder; 4] = [
        |chunk| chunk.set_total_compressed_size(1 << 40),
        |chunk| chunk.set_total_compressed_size(-1),
        |chunk| chunk.set_dictionary_page_offset(Some(-1)),
        |chunk| chunk.set_dictionary_page_offset(Some(i64::MAX)),
    ];
    for lie in lies {
        let message = load_bytes(&with_chunks(&whole, lie)).unwrap_err();
        assert!(message.starts_with(DAMAGED), "{message}");
        assert!(message.contains("its pages are not in it"), "{message}");
    }
}

#[test]
fn what_is_stored_in_another_way_says_how_to_write_it_again() {
    let whole = hub_table(&[1, 2], &[0, 1]);
    for (codec, name) in [
        (CompressionCodec::ZSTD, "zstd"),
        (CompressionCodec::GZIP, "gzip"),
        (CompressionCodec::BROTLI, "brotli"),
        (CompressionCodec::LZ4, "lz4"),
        (CompressionCodec::LZ4_RAW, "lz4_raw"),
        (CompressionCodec::LZO, "lzo"),
    ] {
        let other = with_chunks(&whole, |chunk| chunk.set_compression_codec(codec));
        assert_eq!(
            load_bytes(&other).unwrap_err(),
            format!(
                "DIR/train.parquet is compressed with {name}: write it again in Python, with \
                 `import pyarrow.parquet as p` and \
                 `p.write_table(p.read_table(\"old.parquet\"), \"new.parquet\", compression=\"snappy\")`"
            )
        );
    }
    for encoding in [
        Encoding::DELTA_BYTE_ARRAY,
        Encoding::DELTA_LENGTH_BYTE_ARRAY,
    ] {
        let properties = properties(Some(FEATURES)).set_dictionary_enabled(false);
        let image = vec!["image".to_owned(), "bytes".to_owned()];
        let properties = properties.set_column_encoding(image.into(), encoding);
        let bytes = table(SCHEMA, properties, &[group(&[1], &[0])]);
        let message = load_bytes(&bytes).unwrap_err();
        let start = format!("DIR/train.parquet is encoded as {encoding}: write it again");
        assert!(message.starts_with(&start), "{message}");
        // Where the footer hides it.
        let hidden = with_chunks(&bytes, |chunk| chunk.set_encodings(vec![Encoding::PLAIN]));
        let message = load_bytes(&hidden).unwrap_err();
        assert!(message.starts_with(DAMAGED), "{message}");
        assert!(message.contains("pages encoded as"), "{message}");
    }
}

#[test]
fn pages_that_claim_more_than_they_hold_are_refused() {
    let properties = || properties(Some(FEATURES)).set_compression(Compression::SNAPPY);
    // The header of the first page is at the front: its uncompressed size, of two bytes, follows its type.
    let mut cells = group(&[1, 2, 3], &[0, 1, 2]);
    cells[0] = Cells::Bytes(vec![Some(vec![0; 200]); 3]);
    let mut large = table(SCHEMA, properties().set_dictionary_enabled(false), &[cells]);
    assert_eq!((large[4], large[6], large[9]), (0x15, 0x15, 0x15));
    large[8] = 0x7f;
    let message = load_bytes(&large).unwrap_err();
    assert!(message.starts_with(DAMAGED), "{message}");
    assert!(message.contains("says that it becomes 81"), "{message}");

    // The number of the values of a dictionary is the first field of the seventh in the header.
    let mut many = table(SCHEMA, properties(), &[group(&[1, 2], &[0, 1])]);
    let at = many.windows(3).position(|bytes| bytes == [0x4c, 0x15, 4]);
    many[at.unwrap() + 2] = 0x7e;
    let message = load_bytes(&many).unwrap_err();
    assert!(message.starts_with(DAMAGED), "{message}");
    assert!(message.contains("says that it has 63 values"), "{message}");
}
