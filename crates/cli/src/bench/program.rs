//! Programs to measure: `FILE:ARG,ARG`, or those that come with windrow.

use crate::error::Failure;
use crate::run::cannot;
use serde::Deserialize;
use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// Where the programs are that come with windrow, seen from the top of its repository.
const PROGRAMS: &str = "crates/wasm/programs";

/// A program and what to call it with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Program {
    /// The file.
    pub(crate) file: PathBuf,
    /// Arguments for its export; without any it is run as a command.
    pub(crate) args: Option<Vec<String>>,
    /// The stack it needs, if that is more than usual, as `--stack-max` takes it.
    pub(crate) stack_max: Option<String>,
    /// What it must print, if that is known.
    pub(crate) result: Option<String>,
}

impl FromStr for Program {
    type Err = &'static str;

    /// `FILE` or `FILE:ARG,ARG`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (file, args) = match text.rsplit_once(':') {
            Some((file, args)) if !args.contains('/') => (file, Some(args)),
            _ => (text, None),
        };
        if file.is_empty() {
            return Err("write FILE or FILE:ARG,ARG, such as churn.wat:20000000");
        }
        let arg_list = |args: &str| match args {
            "" => Vec::new(),
            args => args.split(',').map(str::to_owned).collect(),
        };
        Ok(Self {
            file: file.into(),
            args: args.map(arg_list),
            stack_max: None,
            result: None,
        })
    }
}

impl Program {
    /// What to call it in a report: its file's name and its arguments.
    pub(crate) fn name(&self) -> String {
        let stem = self.file.file_stem().unwrap_or(self.file.as_os_str());
        let name = stem.to_string_lossy();
        match &self.args {
            Some(args) => format!("{name} {}", args.join(" ")).trim_end().to_owned(),
            None => name.into_owned(),
        }
    }

    /// The programs that come with windrow, each in its largest size.
    ///
    /// # Errors
    /// [`Failure::Input`] if the list cannot be read, which is so outside the repository.
    pub(crate) fn standard() -> Result<Vec<Self>, Failure> {
        let directory = Path::new(PROGRAMS);
        let list = directory.join("expected.json");
        let text = fs::read_to_string(&list).map_err(|error| {
            Failure::input(format!(
                "no programs given, and the standard ones are not here: `{}`: {error}; name programs, \
                 or run this at the top of windrow's repository",
                list.display()
            ))
        })?;
        Self::listed(directory, &text)
            .map_err(|error| cannot("read", &list, &std::io::Error::other(error)))
    }

    /// The largest of each program's large sizes.
    fn listed(directory: &Path, text: &str) -> Result<Vec<Self>, serde_json::Error> {
        let mut rows: Vec<Row> = serde_json::from_str(text)?;
        rows.retain(|row| row.size == "large");
        rows.sort_by_key(|row| std::cmp::Reverse(row.n));
        // Stable: the largest of each name stays first.
        rows.sort_by(|a, b| a.program.cmp(&b.program));
        rows.dedup_by(|next, kept| next.program == kept.program);
        let program = |row: Row| Self {
            file: directory.join(row.program).with_extension("wat"),
            args: Some(vec![row.n.to_string()]),
            stack_max: row.stack_max,
            result: Some(row.result),
        };
        Ok(rows.into_iter().map(program).collect())
    }
}

/// A row of the list.
#[derive(Debug, Deserialize)]
struct Row {
    program: String,
    n: i64,
    result: String,
    size: String,
    stack_max: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_have_arguments_after_a_colon() {
        let parse = |text: &str| text.parse().map(|p: Program| (p.file, p.args));
        let args = |list: &[&str]| Some(list.iter().map(|&arg| arg.to_owned()).collect());
        assert_eq!(parse("a.wat:1"), Ok(("a.wat".into(), args(&["1"]))));
        assert_eq!(
            parse("a.wat:1,-2"),
            Ok(("a.wat".into(), args(&["1", "-2"])))
        );
        assert_eq!(parse("a.wat:"), Ok(("a.wat".into(), args(&[]))));
        assert_eq!(parse("a:b/c.wasm"), Ok(("a:b/c.wasm".into(), None)));
        assert!(parse("").is_err() && parse(":1").is_err());
        let name = |text: &str| text.parse::<Program>().map(|program| program.name());
        assert_eq!(name("x/churn.wat:200").as_deref(), Ok("churn 200"));
        assert_eq!(name("command.wasm").as_deref(), Ok("command"));
    }

    #[test]
    fn the_largest_size_of_each_program_is_standard() {
        let row = |name: &str, n: u32, size: &str| {
            format!(r#"{{"program": "{name}", "n": {n}, "result": "{n}", "size": "{size}"}}"#)
        };
        let rows = [
            row("b", 5, "large"),
            row("b", 7, "large"),
            row("b", 9, "small"),
            row("a", 1, "large"),
        ];
        let list = Program::listed(Path::new("d"), &format!("[{}]", rows.join(","))).unwrap();
        let names: Vec<String> = list.iter().map(Program::name).collect();
        assert_eq!(names, ["a 1", "b 7"]);
        assert_eq!(list[1].file, PathBuf::from("d/b.wat"));
        assert_eq!(list[1].result.as_deref(), Some("7"));
    }
}
