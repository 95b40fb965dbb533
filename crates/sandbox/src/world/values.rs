//! What a subscription message's values may be: the name of a keyword is its type and a number.

/// Whether a value fits a keyword's type; types the documentation doesn't limit take anything.
pub(super) fn fits(keyword: &str, value: &str) -> bool {
    let length = value.chars().count();
    let all = |allowed: fn(char) -> bool| value.chars().all(allowed);
    match keyword.trim_end_matches(|c: char| c.is_ascii_digit()) {
        "thing" => length <= 20 && !value.contains(['\n', '\r']),
        "number" => length <= 32 && all(|c| c.is_ascii_digit() || c == '.' || c == '-'),
        "letter" => length <= 32 && all(|c| c.is_ascii_alphabetic()),
        "symbol" => length <= 5,
        "character_string" => length <= 32 && all(|c| c.is_ascii_graphic() || c == ' '),
        "time" | "date" => {
            value.starts_with(|c: char| c.is_ascii_digit())
                && all(|c| c.is_ascii_digit() || "年月日-/.:~ ".contains(c))
        }
        "amount" => is_amount(value),
        "phone_number" => length <= 17 && all(|c| c.is_ascii_digit() || "+-() ".contains(c)),
        "car_number" => length <= 8,
        "name" => length <= if value.is_ascii() { 20 } else { 10 },
        "phrase" => length <= 5 && all(|c| ('\u{4e00}'..='\u{9fff}').contains(&c)),
        _ => true,
    }
}

/// One currency sign, at most ten digits with decimals, and 元.
fn is_amount(value: &str) -> bool {
    let value = value.strip_suffix('元').unwrap_or(value);
    let value = value.strip_prefix(['¥', '￥', '$', '€', '£']).unwrap_or(value);
    let digits = value.chars().filter(char::is_ascii_digit).count();
    (1..=10).contains(&digits)
        && value.chars().all(|c| c.is_ascii_digit() || c == '.' || c == ',')
        && value.matches('.').count() <= 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_of_the_documentation() {
        let good = [
            ("thing", "二十个字二十个字二十个字二十个字二十个字"),
            ("number", "12"),
            ("letter", "abc"),
            ("character_string", "A-1 b"),
            ("time", "2026年1月2日 12:30~13:00"),
            ("date", "2026-01-02"),
            ("amount", "¥39.80元"),
            ("phone_number", "+86-13800000000"),
            ("car_number", "粤A8Z888挂"),
            ("name", "张三"),
            ("phrase", "已完成"),
            ("const", "x"),
        ];
        for (kind, value) in good {
            assert!(fits(kind, value), "{kind} {value}");
        }
        let bad = [
            ("thing", "二十个字二十个字二十个字二十个字二十个字!"),
            ("thing", "a\nb"),
            ("number", "twelve"),
            ("letter", "a1"),
            ("character_string", "中文"),
            ("time", "tomorrow"),
            ("amount", "12345678901"),
            ("phone_number", "123456789012345678"),
            ("name", "十一个字的名字就太长了呀"),
            ("phrase", "done"),
        ];
        for (kind, value) in bad {
            assert!(!fits(kind, value), "{kind} {value}");
        }
    }
}
