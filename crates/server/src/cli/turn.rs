//! `vorzimmer turn-credentials`.

use super::{Context, print_json};
use crate::clock;
use crate::failure::{Failure, Kind};
use crate::rooms::{FirstStart, database_failure};
use crate::turn;

/// What a receptionist's browser is told about the TURN server.
pub(super) async fn credentials(login: &str, context: &Context) -> Result<(), Failure> {
    let store = context.rooms(FirstStart::Refused).await?.store;
    let directory = store.directory().await.map_err(database_failure)?;
    if directory.receptionist_by_login(login).is_none() {
        return Err(Failure::failed(
            format!("nobody logs in as {login}"),
            "see `vorzimmer directory export`",
        )
        .of_kind(Kind::NotFound));
    }
    let server = turn::credentials(&context.settings.turn, login, clock::wall())?;
    if context.json {
        return print_json(&server);
    }
    say!("urls        {}", server.urls.join(" "));
    say!("username    {}", server.username);
    say!("credential  {}", server.credential);
    Ok(())
}
