//! Lists the formats that are compiled in, so that adding one takes one file.

use std::path::Path;

fn main() -> std::io::Result<()> {
    let folder = Path::new(&std::env::var("CARGO_MANIFEST_DIR").unwrap_or_default())
        .join("src")
        .join("formats");
    println!("cargo::rerun-if-changed={}", folder.display());
    let mut names = Vec::new();
    for entry in std::fs::read_dir(&folder)? {
        let path = entry?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "toml")
        {
            let name = path
                .file_stem()
                .map(|name| name.to_string_lossy().into_owned());
            names.push((name.unwrap_or_default(), path));
        }
    }
    // The first format that recognises a record has it: by name, so that every build does alike.
    names.sort();
    let line = |(name, path): &(String, std::path::PathBuf)| {
        format!(
            "    ({name:?}, include_str!({:?})),\n",
            path.display().to_string()
        )
    };
    let list: String = names.iter().map(line).collect();
    let out = Path::new(&std::env::var("OUT_DIR").unwrap_or_default()).join("formats.rs");
    std::fs::write(out, format!("&[\n{list}]\n"))
}
