/// A Rust file seen as a rule needs it: code without comments and texts, and the texts by themselves.
///
/// So a rule can look for a word in the code and does not find it in a comment, or in the rule's own tests.
#[derive(Debug)]
pub(super) struct Source {
    code: String,
    literals: Vec<Literal>,
}

/// The content of a string literal as it is written.
#[derive(Debug, PartialEq)]
pub(super) struct Literal {
    pub(super) line: usize,
    pub(super) text: String,
}

impl Source {
    pub(super) fn parse(text: &str) -> Self {
        let mut lexer = Lexer { text, at: 0, code: String::with_capacity(text.len()), literals: Vec::new() };
        while lexer.step() {}
        Self { code: lexer.code, literals: lexer.literals }
    }

    /// The file with blanks for comments and for what is in literals; every offset and line is as it was.
    pub(super) fn code(&self) -> &str {
        &self.code
    }

    pub(super) fn literals(&self) -> &[Literal] {
        &self.literals
    }

    /// The line, from 1, of the byte at `offset`.
    pub(super) fn line(&self, offset: usize) -> usize {
        1 + self.code.bytes().take(offset).filter(|byte| *byte == b'\n').count()
    }

    /// The offsets just behind each `word` of the code that is not a part of a longer word.
    pub(super) fn behind_word(&self, word: &str) -> Vec<usize> {
        behind_word(&self.code, word)
    }

    /// The line and the body of each call of the macro `name`.
    pub(super) fn macro_calls(&self, name: &str) -> Vec<(usize, &str)> {
        let mut calls = Vec::new();
        for behind in self.behind_word(name) {
            let body = self.code[behind..].trim_start().strip_prefix('!').map(str::trim_start);
            if let Some(body) = body.filter(|body| body.starts_with(['(', '[', '{'])) {
                calls.push((self.line(behind), bracketed(body)));
            }
        }
        calls
    }
}

/// The offsets just behind each `word` in `code` that is not a part of a longer word.
pub(super) fn behind_word(code: &str, word: &str) -> Vec<usize> {
    let of_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut offsets = Vec::new();
    for (start, _) in code.match_indices(word) {
        let end = start + word.len();
        if !code[..start].ends_with(of_word) && !code[end..].starts_with(of_word) {
            offsets.push(end);
        }
    }
    offsets
}

/// What is between the bracket at the start of `code` and the one that closes it; all of it when none does.
pub(super) fn bracketed(code: &str) -> &str {
    let mut depth = 0_i32;
    for (at, c) in code.char_indices() {
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return code.get(1..at).unwrap_or_default();
        }
    }
    code.get(1..).unwrap_or_default()
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
    code: String,
    literals: Vec<Literal>,
}

impl Lexer<'_> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    /// Takes one token or one character; false at the end.
    fn step(&mut self) -> bool {
        let rest = self.rest();
        let Some(first) = rest.chars().next() else { return false };
        if rest.starts_with("//") {
            self.blank(rest.find('\n').unwrap_or(rest.len()));
        } else if rest.starts_with("/*") {
            self.blank(block_comment_length(rest));
        } else if let Some(hashes) = raw_string_hashes(rest) {
            let open = "r\"".len() + hashes;
            let close = format!("\"{}", "#".repeat(hashes));
            let content = rest[open..].find(&close).unwrap_or(rest.len() - open);
            self.literal(open, content, close.len());
        } else if first == '"' {
            self.literal(1, quoted_length(&rest[1..], '"'), 1);
        } else if let Some(content) = char_literal_length(rest) {
            self.keep(1);
            self.blank(content);
            self.keep(1);
        } else {
            self.keep(first.len_utf8());
        }
        true
    }

    fn keep(&mut self, bytes: usize) {
        let end = (self.at + bytes).min(self.text.len());
        self.code.push_str(&self.text[self.at..end]);
        self.at = end;
    }

    fn blank(&mut self, bytes: usize) {
        let end = self.at + bytes;
        let blanks =
            self.text.as_bytes()[self.at..end].iter().map(|byte| if *byte == b'\n' { '\n' } else { ' ' });
        self.code.extend(blanks);
        self.at = end;
    }

    fn literal(&mut self, open: usize, content: usize, close: usize) {
        let line = 1 + self.text[..self.at].matches('\n').count();
        self.keep(open);
        self.literals.push(Literal { line, text: self.rest()[..content].to_owned() });
        self.blank(content);
        self.keep(close);
    }
}

/// Block comments nest in Rust.
fn block_comment_length(rest: &str) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < rest.len() {
        let here = &rest.as_bytes()[at..];
        if here.starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if here.starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    rest.len()
}

/// The number of `#` where a raw string starts. The name before it can only be a prefix such as `b`.
fn raw_string_hashes(rest: &str) -> Option<usize> {
    let behind = rest.strip_prefix('r')?;
    let hashes = behind.bytes().take_while(|byte| *byte == b'#').count();
    behind[hashes..].starts_with('"').then_some(hashes)
}

/// The length of what is in the literal that `quote` closes; a backslash escapes the character behind it.
fn quoted_length(content: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in content.char_indices() {
        if !escaped && c == quote {
            return at;
        }
        escaped = !escaped && c == '\\';
    }
    content.len()
}

/// The length of what is in a character literal; `None` for everything else, lifetimes included.
fn char_literal_length(rest: &str) -> Option<usize> {
    let content = rest.strip_prefix('\'')?;
    let first = content.chars().next()?;
    if first == '\\' {
        return Some(quoted_length(content, '\''));
    }
    content[first.len_utf8()..].starts_with('\'').then_some(first.len_utf8())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn code(text: &str, expected: &str) {
        let source = Source::parse(text);
        assert_eq!(source.code(), expected);
        assert_eq!(source.code().len(), text.len());
    }

    #[test]
    fn comments_become_blanks_and_lines_stay() {
        code("a // b \"c\"\nd", "a         \nd");
        code("a /* b /* c */ d\n */ e", "a               \n    e");
        code("/// doc\nfn x() {}", "       \nfn x() {}");
    }

    #[test]
    fn what_is_in_a_string_becomes_blanks() {
        code(r#"f("a\"b", x)"#, r#"f("    ", x)"#);
        code(r#"("a\\", x)"#, r#"("   ", x)"#);
        code("r#\"a\"b\"#; c", "r#\"   \"#; c");
        code("br\"\\\"; c", "br\" \"; c");
        code("\"é\" x", "\"  \" x");
    }

    #[test]
    fn quotes_of_characters_are_told_from_lifetimes() {
        code("'\"' x '\\'' y", "' ' x '  ' y");
        code("fn f<'a>(x: &'a str) { 'é' }", "fn f<'a>(x: &'a str) { '  ' }");
    }

    #[test]
    fn an_unclosed_literal_ends_with_the_file() {
        code("f(\"abc", "f(\"   ");
        code("r#\"abc\"", "r#\"    ");
    }

    #[test]
    fn literals_are_collected_with_their_lines() {
        let source = Source::parse("a(\"x\",\n  r#\"y\"z\"#) // \"no\"");
        let literal = |line, text: &str| Literal { line, text: text.to_owned() };
        assert_eq!(source.literals(), [literal(1, "x"), literal(2, "y\"z")]);
    }

    #[test]
    fn a_word_is_not_found_inside_a_longer_one() {
        let source = Source::parse("select!{} my_select!{} select_biased!{} tokio::select !{}");
        assert_eq!(source.behind_word("select"), [6, 53]);
        assert_eq!(source.line(53), 1);
    }

    #[test]
    fn a_macro_call_is_told_from_a_comparison() {
        let source = Source::parse("a != (b);\nx::a!(c(d)) + a ! [e] + a!{}");
        assert_eq!(source.macro_calls("a"), [(2, "c(d)"), (2, "e"), (2, "")]);
    }

    #[test]
    fn a_bracket_ends_where_its_own_partner_is() {
        assert_eq!(bracketed("[a(b)[c]] d]"), "a(b)[c]");
        assert_eq!(bracketed("(a"), "a");
    }
}
