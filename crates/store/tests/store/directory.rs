//! The directory is taken in whole or not at all, and a running server notices.

use vorzimmer_store::{ImportError, Unnamed};

use crate::fixture::{House, on_both};

const EXAMPLE: &str = include_str!("../../../../config/example/directory.toml");
const REALM: &str = "vorzimmer.example";

on_both! {
    the_example_is_imported_kept_and_exported
    a_wrong_line_leaves_everything_as_it_was
    whoever_is_removed_is_gone_with_her_bindings
}

async fn the_example_is_imported_kept_and_exported(house: House) {
    let store = house.store().await;
    let before = store.directory_version().await.expect("version");
    let report = store.import_directory(EXAMPLE, REALM, Unnamed::Keep).await.expect("import");
    assert_eq!(report.passwords.len(), 3);
    assert_ne!(store.directory_version().await.expect("version"), before);
    let directory = store.directory().await.expect("directory");
    let did = "+493023125002".parse().expect("a number");
    assert_eq!(
        directory.customer_by_number(&did).map(|customer| customer.key.expose().as_str()),
        Some("kanzlei-beispiel")
    );
    store.close().await;

    let store = house.store().await;
    assert_eq!(store.directory().await.expect("directory"), directory);
    let file = store.export_directory().await.expect("export");
    let report = store.import_directory(&file, REALM, Unnamed::Remove).await.expect("import");
    assert_eq!((report.customers.unchanged, report.receptionists.unchanged), (2, 3));
    assert_eq!(store.directory().await.expect("directory"), directory);
}

async fn a_wrong_line_leaves_everything_as_it_was(house: House) {
    let store = house.store().await;
    store.import_directory(EXAMPLE, REALM, Unnamed::Keep).await.expect("import");
    let directory = store.directory().await.expect("directory");
    let version = store.directory_version().await.expect("version");
    let wrong = EXAMPLE.replace("Anna Beispiel", "Anna Anders").replace("\"in-order\"", "\"in-ordre\"");
    let refused = store.import_directory(&wrong, REALM, Unnamed::Remove).await;
    let Err(ImportError::Rows(rows)) = refused else { panic!("{refused:?}") };
    let line = 1 + wrong.lines().position(|line| line.contains("in-ordre")).expect("the line");
    assert_eq!(rows.iter().map(|row| row.line).collect::<Vec<_>>(), [line]);
    assert_eq!(store.directory().await.expect("directory"), directory);
    assert_eq!(store.directory_version().await.expect("version"), version);
}

async fn whoever_is_removed_is_gone_with_her_bindings(house: House) {
    use crate::fixture::MORNING;
    use vorzimmer_store::Binding;
    let store = house.store().await;
    store.import_directory(EXAMPLE, REALM, Unnamed::Keep).await.expect("import");
    let directory = store.directory().await.expect("directory");
    for receptionist in &directory.receptionists {
        let binding = Binding { contact: b"sip:x".to_vec(), expires_at: MORNING };
        store.replace_bindings(receptionist.id, &[binding]).await.expect("binding");
    }
    let anna = "[[receptionist]]\nlogin = \"anna\"\nname = \"Anna\"\n";
    let report = store.import_directory(anna, REALM, Unnamed::Remove).await.expect("import");
    assert_eq!(
        (report.customers.removed, report.receptionists.removed, report.receptionists.changed),
        (2, 2, 1)
    );
    let left = store.directory().await.expect("directory");
    assert_eq!((left.customers.len(), left.receptionists.len()), (0, 1));
    let before = vorzimmer_types::UnixMillis(MORNING.0 - 1);
    assert_eq!(store.bindings(before).await.expect("bindings").len(), 1);
}
