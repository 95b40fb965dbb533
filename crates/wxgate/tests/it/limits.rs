//! Every bound of [`Limits`] has a test, and stands in ARCHITECTURE.md as it is.

mod heads;
pub(crate) mod held;
mod places;
mod sizes;
mod times;
pub(crate) mod ways;

use std::path::Path;

use wxgate::limits::Limits;

/// Which test proves which bound: its file, from the crate's folder, and its function.
const PROOFS: &[(&str, &str, &str)] = &[
    ("connections", "tests/it/shares.rs", "a_crowd_of_silent_connections_gives_way_to_whoever_comes"),
    ("admin_connections", "tests/it/limits/ways.rs", "connections_of_operators"),
    ("head_time", "tests/it/limits/ways.rs", "the_time_of_a_head"),
    ("head", "tests/it/limits/heads.rs", "on_a_service_path"),
    ("handshake_time", "tests/it/limits/ways.rs", "the_time_of_a_handshake"),
    ("calls", "tests/it/limits/places.rs", "service_calls"),
    ("passed", "tests/it/limits/places.rs", "requests_passed_on"),
    ("strangers", "tests/it/limits/places.rs", "requests_of_strangers"),
    ("callbacks", "tests/it/limits/places.rs", "callbacks"),
    ("unsigned", "tests/it/limits/places.rs", "callbacks_that_nobody_signed"),
    ("logins", "tests/it/limits/places.rs", "logins_that_come_back"),
    ("streams", "tests/it/streams.rs", "over_the_bound_a_stream_is_refused_and_a_place_that_is_left_is_free"),
    ("body", "tests/it/limits/sizes.rs", "the_body_of_a_service_call_or_a_callback"),
    ("unsigned_body", "tests/it/limits/sizes.rs", "the_body_of_a_stranger"),
    ("token_body", "tests/it/limits/sizes.rs", "the_body_of_a_token_call"),
    ("body_grace", "tests/it/limits/times.rs", "a_service_calls_body"),
    ("body_rate", "src/net/body.rs", "a_body_keeps_up_with_its_rate_and_only_its_own_time_counts"),
    (
        "body_budget",
        "tests/it/shares.rs",
        "a_body_waits_for_its_part_of_the_budget_and_is_told_when_there_is_none",
    ),
    (
        "budget_time",
        "tests/it/shares.rs",
        "a_body_waits_for_its_part_of_the_budget_and_is_told_when_there_is_none",
    ),
    ("kept", "tests/it/limits/sizes.rs", "a_passed_on_body_that_can_be_sent_again"),
    ("collected", "tests/it/lengths.rs", "a_body_without_its_length_is_told_when_it_is_too_long"),
    ("spooled", "tests/it/lengths.rs", "a_body_without_its_length_is_told_when_there_is_no_room"),
    ("drained", "src/net/linger.rs", "no_more_is_read_away_than_a_bound_and_nobody_silent_is_waited_for"),
    ("drain_time", "src/net/linger.rs", "no_more_is_read_away_than_a_bound_and_nobody_silent_is_waited_for"),
    ("drain_rate", "src/net/linger.rs", "no_more_is_read_away_than_a_bound_and_nobody_silent_is_waited_for"),
    ("look", "tests/it/limits/sizes.rs", "what_is_held_back_of_an_answer"),
    ("page", "tests/it/edges.rs", "what_cannot_be_searched_is_kept_back"),
    ("answer", "tests/it/limits/sizes.rs", "wechats_answer_to_a_typed_call"),
    ("silence", "tests/it/limits/times.rs", "silence_in_an_answer"),
    ("connect_time", "tests/it/limits/ways.rs", "the_time_to_make_a_connection"),
    ("dial_time", "tests/it/limits/ways.rs", "the_time_of_one_address"),
    ("addresses", "tests/it/egress.rs", "an_address_that_does_not_answer_gives_way_to_the_next"),
    ("resolve_time", "tests/it/limits/times.rs", "a_target_whose_name_server_is_silent"),
    ("callback_time", "tests/it/limits/times.rs", "a_callbacks_answer"),
    ("callback_left", "tests/it/patience.rs", "the_third_attempt_and_a_late_one_get_success"),
    ("callback_body_time", "tests/it/limits/times.rs", "a_callbacks_body"),
    ("reply", "tests/it/limits/sizes.rs", "a_backends_answer"),
    ("writes", "src/store/sqlite/tests.rs", "no_more_writes_wait_than_there_is_room_for"),
    ("group", "src/store/sqlite/tests.rs", "no_more_writes_than_a_group_share_a_commit"),
    (
        "commit_time",
        "src/store/sqlite/tests.rs",
        "nobody_waits_longer_than_the_bound_and_a_late_commit_holds",
    ),
    ("ping_time", "src/store/sqlite/tests.rs", "nobody_waits_longer_than_the_bound_and_a_late_commit_holds"),
    (
        "purge_time",
        "src/store/sqlite/tests.rs",
        "a_step_of_forgetting_ends_when_its_time_is_over_and_gets_on_in_any_case",
    ),
    ("lists", "src/store/sqlite/tests.rs", "few_wait_for_a_list"),
    ("list_time", "src/store/sqlite/tests.rs", "a_list_that_takes_too_long_is_cut_and_the_next_is_not"),
    ("log_lines", "src/telemetry.rs", "a_reader_that_stops_loses_lines_and_each_is_counted"),
    ("log_sources", "src/shares/lines.rs", "a_source_has_a_line_a_second_and_every_request_is_counted"),
    ("open_rate", "tests/it/proxy.rs", "what_needs_no_credential_is_open_to_known_networks_at_a_rate"),
    ("open_addresses", "src/admit/open.rs", "an_address_has_its_rate_and_their_number_is_bounded"),
    ("wrong_token_pause", "tests/it/admin_door.rs", "wrong_tokens_are_slowed_down_by_address_and_logged"),
    ("states", "tests/it/limits/places.rs", "states_that_are_remembered"),
    ("counted_paths", "src/registry/usage.rs", "every_request_counts_once_and_paths_are_bounded"),
];

/// A file, from the crate's folder.
fn read(file: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Whether `text` has a test of this name.
fn has_test(text: &str, name: &str) -> bool {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let begins = [format!("fn {name}("), format!("async fn {name}(")];
    let is_test = |at: usize| {
        let mut attributes = lines[..at].iter().rev().take_while(|line| line.starts_with("#["));
        attributes.any(|line| line.starts_with("#[test]") || line.starts_with("#[tokio::test"))
    };
    lines
        .iter()
        .enumerate()
        .any(|(at, line)| begins.iter().any(|begin| line.starts_with(begin)) && is_test(at))
}

#[test]
fn every_bound_has_a_test() {
    let table = Limits::default().table();
    let bounds: Vec<&str> = table.iter().map(|(name, _)| *name).collect();
    let proven: Vec<&str> = PROOFS.iter().map(|(name, ..)| *name).collect();
    assert_eq!(bounds, proven, "a new bound needs a test, and its line here");
    for (name, file, function) in PROOFS {
        assert!(has_test(&read(file), function), "{name}: {file} has no test {function}");
    }
    assert!(!has_test(&read("tests/it/limits.rs"), "has_test"));
}

#[test]
fn architecture_has_every_bound_as_it_is() {
    let page = read("../../ARCHITECTURE.md");
    let (_, section) = page.split_once("\n## Limits\n").expect("a section Limits");
    let section = section.split("\n## ").next().unwrap();
    let rows = section.lines().filter(|line| line.starts_with("| `")).map(|line| {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [name, number, meaning] = cells[..] else { panic!("not three cells: {line}") };
        assert!(!meaning.is_empty(), "{line}");
        (name.trim_matches('`').to_owned(), number.to_owned())
    });
    let table = Limits::default().table().into_iter().map(|(name, number)| (name.to_owned(), number));
    assert_eq!(rows.collect::<Vec<_>>(), table.collect::<Vec<_>>());
}
