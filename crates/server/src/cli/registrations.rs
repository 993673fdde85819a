//! `vorzimmer registrations`.

use super::table::Table;
use super::{Context, print_json};
use crate::clock;
use crate::control::restorable;
use crate::failure::Failure;
use crate::rooms::{FirstStart, database_failure};

/// Which devices can be rung. Log-ins are shown, addresses are not: they lead to people's homes.
pub(super) async fn list(context: &Context) -> Result<(), Failure> {
    let store = context.rooms(FirstStart::Refused).await?.store;
    let directory = store.directory().await.map_err(database_failure)?;
    let kept = store.bindings(clock::wall()).await.map_err(database_failure)?;
    let bindings = restorable(kept);
    let login = |id| {
        let receptionist = directory.receptionist(id);
        receptionist.map_or_else(|| format!("removed ({id})"), |found| found.login.expose().clone())
    };
    if context.json {
        let rows = bindings.iter().map(|binding| {
            serde_json::json!({
                "login": login(binding.receptionist),
                "transport": format!("{:?}", binding.flow.transport).to_lowercase(),
                "expires_at": binding.expires_at,
            })
        });
        return print_json(&rows.collect::<Vec<_>>());
    }
    let mut table = Table::new(&["login", "over", "until"]);
    for binding in &bindings {
        table.row([
            login(binding.receptionist),
            format!("{:?}", binding.flow.transport).to_uppercase(),
            binding.expires_at.to_string(),
        ]);
    }
    table.print();
    Ok(())
}
