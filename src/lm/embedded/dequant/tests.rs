use super::Format;

/// Blocks that the `gguf` package decoded: see `tests/lm/embedded/formats.py`.
const REFERENCE: &str =
    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/lm/embedded/formats.json"));

#[test]
fn formats_mean_what_the_reference_says() {
    let rows: Vec<serde_json::Value> = serde_json::from_str(REFERENCE).unwrap();
    for row in &rows {
        let name = row["format"].as_str().unwrap();
        let format = Format::from_code(row["code"].as_u64().unwrap() as u32).unwrap();
        let hex = row["bytes"].as_str().unwrap().as_bytes();
        let digit = |c: u8| char::from(c).to_digit(16).unwrap() as u8;
        let bytes: Vec<u8> =
            hex.as_chunks::<2>().0.iter().map(|[a, b]| digit(*a) << 4 | digit(*b)).collect();
        let expected: Vec<f32> = row["bits"]
            .as_str()
            .unwrap()
            .split(' ')
            .map(|bits| f32::from_bits(u32::from_str_radix(bits, 16).unwrap()))
            .collect();
        let mut found = vec![0.0; bytes.len() / format.block_bytes() * format.block()];
        format.decode(&bytes, &mut found);
        assert_eq!(found.len(), expected.len(), "{name}");
        for (i, (a, b)) in found.iter().zip(&expected).enumerate() {
            // The reference multiplies in another order for some formats.
            assert!((a - b).abs() <= 1e-6 * b.abs() + 1e-12, "{name} {i}: {a} {b}");
        }
    }
    assert_eq!(rows.len(), 9);
}
