/// What the checks need to know of a `Cargo.toml`, read line by line.
///
/// This is no TOML parser: it knows tables, keys and (nested) arrays over several lines, which is how the manifests
/// of this workspace are written. A dependency for the rest would be the only one that xtask has.
#[derive(Debug)]
pub(crate) struct Manifest {
    entries: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    table: String,
    key: String,
    value: String,
}

impl Manifest {
    pub(crate) fn parse(text: &str) -> Self {
        let mut entries: Vec<Entry> = Vec::new();
        let mut table = String::new();
        let mut open_brackets = 0;
        for line in text.lines() {
            let line = without_comment(line).trim();
            if open_brackets > 0 {
                if let Some(entry) = entries.last_mut() {
                    entry.value.push_str(line);
                }
                open_brackets += nesting(line);
            } else if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                table = name.trim().to_owned();
            } else if let Some((key, value)) = line.split_once('=') {
                let (key, value) = (key.trim().to_owned(), value.trim().to_owned());
                open_brackets = nesting(&value);
                entries.push(Entry { table: table.clone(), key, value });
            }
        }
        Self { entries }
    }

    /// The keys of `table` with their values as they are written.
    pub(crate) fn table(&self, table: &str) -> impl Iterator<Item = (&str, &str)> {
        self.entries
            .iter()
            .filter(move |entry| entry.table == table)
            .map(|entry| (&*entry.key, &*entry.value))
    }

    /// The value of `key` in `table` as it is written.
    pub(crate) fn value(&self, table: &str, key: &str) -> Option<&str> {
        self.table(table).find(|(name, _)| *name == key).map(|(_, value)| value)
    }

    /// The strings in the value of `key` in `table`.
    pub(crate) fn strings(&self, table: &str, key: &str) -> Vec<&str> {
        self.value(table, key).map(strings).unwrap_or_default()
    }

    pub(crate) fn package_name(&self) -> Option<&str> {
        self.strings("package", "name").first().copied()
    }
}

/// The quoted strings in `value`.
pub(crate) fn strings(value: &str) -> Vec<&str> {
    value.split('"').skip(1).step_by(2).collect()
}

fn without_comment(line: &str) -> &str {
    let mut in_string = false;
    for (at, byte) in line.bytes().enumerate() {
        match byte {
            b'"' => in_string = !in_string,
            b'#' if !in_string => return &line[..at],
            _ => {}
        }
    }
    line
}

fn nesting(text: &str) -> i32 {
    let outside = text.split('"').step_by(2);
    outside.flat_map(str::bytes).fold(0, |depth, byte| match byte {
        b'[' | b'{' => depth + 1,
        b']' | b'}' => depth - 1,
        _ => depth,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"
[workspace]
members = [
    "ha-core", # the contract
    "tests",
]

[package]
name = "ha-core"
version.workspace = true

[features]
all = ["etcd", "local"]
"#;

    #[test]
    fn an_array_over_several_lines_is_one_value() {
        assert_eq!(Manifest::parse(TEXT).strings("workspace", "members"), ["ha-core", "tests"]);
    }

    #[test]
    fn a_key_belongs_to_the_table_above_it() {
        let manifest = Manifest::parse(TEXT);
        assert_eq!(manifest.package_name(), Some("ha-core"));
        assert_eq!(manifest.value("package", "version.workspace"), Some("true"));
        assert_eq!(manifest.value("features", "name"), None);
        assert_eq!(manifest.table("features").collect::<Vec<_>>(), [("all", r#"["etcd", "local"]"#)]);
    }

    #[test]
    fn a_hash_inside_a_string_starts_no_comment() {
        let manifest = Manifest::parse("[package]\nname = \"a#b\" # c");
        assert_eq!(manifest.value("package", "name"), Some("\"a#b\""));
    }
}
