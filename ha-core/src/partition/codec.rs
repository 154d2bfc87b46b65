//! How records are written: numbers of variable length, and sets of partitions in whatever form is shortest.

/// A record being written.
#[derive(Debug, Default)]
pub(crate) struct Writer(Vec<u8>);

impl Writer {
    pub(crate) fn with_capacity(bytes: usize) -> Self {
        Self(Vec::with_capacity(bytes))
    }

    /// What needs no length, because it is the rest.
    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// How many bytes a number takes.
    pub(crate) fn length_of(value: u64) -> usize {
        (64 - (value | 1).leading_zeros()).div_ceil(7) as usize
    }

    pub(crate) fn number(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(low(value) | 0x80);
            value >>= 7;
        }
        self.0.push(low(value));
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    /// Partitions in ascending order.
    pub(super) fn set(&mut self, set: &[u32]) {
        let forms = [gaps(set), runs(set), bitmap(set)];
        let shortest = forms.into_iter().enumerate().min_by_key(|(_, form)| form.0.len());
        let Some((form, body)) = shortest else { return };
        self.number(form as u64);
        self.bytes(&body.0);
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        self.0
    }
}

fn low(value: u64) -> u8 {
    (value & 0x7f) as u8
}

fn gaps(set: &[u32]) -> Writer {
    let mut form = Writer::default();
    let mut next = 0;
    for partition in set {
        form.number(u64::from(partition - next));
        next = partition + 1;
    }
    form
}

fn runs(set: &[u32]) -> Writer {
    let mut form = Writer::default();
    let mut next = 0;
    for run in set.chunk_by(|a, b| a + 1 == *b) {
        form.number(u64::from(run[0] - next));
        form.number(run.len() as u64 - 1);
        next = run[run.len() - 1] + 1;
    }
    form
}

fn bitmap(set: &[u32]) -> Writer {
    let mut form = Writer::default();
    let (Some(first), Some(last)) = (set.first(), set.last()) else { return form };
    form.number(u64::from(*first));
    let mut bits = vec![0_u8; ((last - first) / 8 + 1) as usize];
    for partition in set {
        let at = partition - first;
        bits[(at / 8) as usize] |= 1 << (at % 8);
    }
    form.0.extend_from_slice(&bits);
    form
}

/// A record being read. Everything is `None` once it is not what was written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) fn number(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        for place in 0..10 {
            let (byte, rest) = self.0.split_first()?;
            self.0 = rest;
            value |= u64::from(byte & 0x7f).checked_shl(7 * place)?;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    pub(crate) fn small(&mut self) -> Option<u32> {
        self.number()?.try_into().ok()
    }

    pub(crate) fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.number()?).ok()?;
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(bytes)
    }

    /// Partitions below `limit`, in ascending order.
    pub(super) fn set(&mut self, limit: u32) -> Option<Vec<u32>> {
        let form = self.number()?;
        let mut body = Self(self.bytes()?);
        let mut set = Vec::new();
        match form {
            2 => body.bits(&mut set)?,
            0 | 1 => {
                let mut next = 0_u32;
                while !body.is_empty() {
                    let from = next.checked_add(body.small()?)?;
                    let more = if form == 1 { body.small()? } else { 0 };
                    next = from.checked_add(more)?.checked_add(1)?;
                    if next > limit {
                        return None;
                    }
                    set.extend(from..next);
                }
            }
            _ => return None,
        }
        set.last().is_none_or(|last| *last < limit).then_some(set)
    }

    fn bits(&mut self, set: &mut Vec<u32>) -> Option<()> {
        if self.is_empty() {
            return Some(());
        }
        let first = self.small()?;
        for (at, byte) in (0_u32..).zip(self.0) {
            let bits = (0..8).filter(|bit| byte & 1 << bit != 0);
            for bit in bits {
                set.push(first.checked_add(at.checked_mul(8)?)?.checked_add(bit)?);
            }
        }
        self.0 = &[];
        Some(())
    }

    /// Everything that is left.
    pub(crate) fn rest(self) -> &'a [u8] {
        self.0
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::{Reader, Writer};

    fn written(set: &[u32]) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.set(set);
        writer.finish()
    }

    #[test]
    fn sets_are_read_as_they_were_written_and_are_short() {
        let every_third: Vec<u32> = (0..100_000).filter(|at| at % 3 == 0).collect();
        let all: Vec<u32> = (0..100_000).collect();
        let sparse: Vec<u32> = (0..100).map(|at| at * 997 + at % 7).collect();
        for (set, limit) in
            [(&all, 10), (&every_third, 12_600), (&sparse, 210), (&vec![], 2), (&vec![99_999], 6)]
        {
            let bytes = written(set);
            assert!(bytes.len() <= limit, "{} bytes for {} partitions", bytes.len(), set.len());
            let mut reader = Reader::new(&bytes);
            assert_eq!(reader.set(100_000).as_ref(), Some(set));
            assert!(reader.is_empty());
        }
    }

    #[test]
    fn what_was_not_written_so_is_refused() {
        let bytes = written(&[1, 5, 70_000]);
        for end in 0..bytes.len() {
            assert_eq!(Reader::new(&bytes[..end]).set(100_000), None, "cut after {end} bytes");
        }
        assert_eq!(Reader::new(&bytes).set(70_000), None, "a partition beyond the number of partitions");
        assert_eq!(Reader::new(&[3, 0]).set(9), None, "an unknown form");
        assert_eq!(Reader::new(&[0xff; 20]).number(), None);
        let mut huge = Writer::default();
        huge.number(1);
        huge.bytes(&[0, 0xff, 0xff, 0xff, 0xff, 0x0f]);
        assert_eq!(Reader::new(&huge.finish()).set(1_000), None, "a run that would not fit into memory");
    }
}
