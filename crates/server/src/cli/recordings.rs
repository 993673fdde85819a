//! `vorzimmer recording`. Each command asks what it is needed for, and the answer is in the audit log before the first
//! byte is shown.

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use vorzimmer_recorder::Codec;
use vorzimmer_recorder::export::{codecs, ogg_opus, wav};
use vorzimmer_store::{Page, RecordingRow};
use vorzimmer_types::RecordingId;
use vorzimmer_vault::callrec::Reader;

use super::table::{Table, word};
use super::{Context, audit, print_json};
use crate::clock;
use crate::failure::{Failure, Kind};
use crate::forgetting;
use crate::recordings::Sealed;
use crate::rooms::{FirstStart, Rooms, database_failure};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// The newest recordings, destroyed ones included.
    List {
        /// How many.
        #[arg(long, default_value_t = 20)]
        limit: u32,
        #[command(flatten)]
        why: Why,
    },
    /// What is known about one recording. Its voices stay sealed.
    Show {
        #[command(flatten)]
        which: Which,
    },
    /// Check that a recording is whole: every page opens, none is missing, none was changed.
    Verify {
        #[command(flatten)]
        which: Which,
    },
    /// Write a recording as stereo sound: caller left, everybody else right, gaps kept as silence.
    Export {
        #[command(flatten)]
        which: Which,
        /// The file to write; it must not exist yet.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        /// The form; by default what the file's name ends with.
        #[arg(long)]
        format: Option<Form>,
    },
    /// Destroy a recording now: its keys, its file; its row says when and why.
    Destroy {
        #[command(flatten)]
        which: Which,
    },
}

#[derive(Debug, Args)]
pub(super) struct Which {
    /// The recording's id.
    recording: RecordingId,
    #[command(flatten)]
    why: Why,
}

#[derive(Debug, Args)]
pub(super) struct Why {
    /// What you need it for; written into the audit log before anything is shown.
    #[arg(long, value_parser = audit::purpose)]
    purpose: String,
}

/// What sound is written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Form {
    /// PCM, 16 bits, at 8, 16 or 48 kHz as its codecs need.
    Wav,
    /// Ogg/Opus.
    Ogg,
}

pub(super) async fn execute(command: Command, context: &Context) -> Result<(), Failure> {
    let rooms = context.rooms(FirstStart::Refused).await?;
    match command {
        Command::List { limit, why } => {
            audit::record(&rooms.store, "recording-list", "recordings", &why.purpose).await?;
            let rows = rooms.store.recordings(Page::newest(limit)).await.map_err(database_failure)?;
            list(&rows, context)
        }
        Command::Show { which } => {
            let sealed = find(&rooms, context, "recording-show", &which).await?;
            show(&sealed, context)
        }
        Command::Verify { which } => {
            let sealed = find(&rooms, context, "recording-verify", &which).await?;
            verify(&sealed, context)
        }
        Command::Export { which, out, format } => {
            let form = format.or_else(|| form_of(&out)).ok_or_else(|| unknown_form(&out))?;
            let sealed = find(&rooms, context, "recording-export", &which).await?;
            export(&sealed, &out, form)
        }
        Command::Destroy { which } => destroy(&rooms, context, &which).await,
    }
}

/// Writes down what it is needed for, then looks.
async fn find(rooms: &Rooms, context: &Context, action: &str, which: &Which) -> Result<Sealed, Failure> {
    audit::record(&rooms.store, action, &which.recording.to_string(), &which.why.purpose).await?;
    Sealed::find(rooms, &context.settings.data.recordings, which.recording).await
}

fn list(rows: &[RecordingRow], context: &Context) -> Result<(), Failure> {
    if context.json {
        return print_json(&rows.iter().map(as_json).collect::<Vec<_>>());
    }
    let mut table = Table::new(&["began", "recording", "call", "result", "seconds", "gaps", "until"]);
    for row in rows {
        let until = row
            .destroyed
            .as_ref()
            .map_or_else(|| row.expiry.to_string(), |(_, why)| format!("destroyed: {why}"));
        table.row([
            row.started_at.to_string(),
            row.recording.to_string(),
            row.call.to_string(),
            result(row),
            format!("{}.{}", row.duration_ms / 1000, row.duration_ms % 1000 / 100),
            format!("{}+{}", row.gaps[0], row.gaps[1]),
            until,
        ]);
    }
    table.print();
    Ok(())
}

fn result(row: &RecordingRow) -> String {
    row.result.map_or_else(|| "open".to_owned(), |result| word(&result))
}

fn as_json(row: &RecordingRow) -> serde_json::Value {
    serde_json::json!({
        "recording": row.recording, "call": row.call, "customer": row.customer,
        "started_at": row.started_at, "result": row.result, "duration_ms": row.duration_ms,
        "gaps": row.gaps, "pages": row.pages, "expiry": row.expiry.to_string(),
        "destroyed": row.destroyed.as_ref().map(|(at, why)| serde_json::json!({ "at": at, "why": why })),
    })
}

fn show(sealed: &Sealed, context: &Context) -> Result<(), Failure> {
    let bytes = std::fs::metadata(&sealed.path).map(|found| found.len()).ok();
    let row = &sealed.row;
    if context.json {
        let mut json = as_json(row);
        json["file"] = serde_json::json!({ "path": sealed.path, "bytes": bytes });
        json["keys"] = serde_json::json!(if sealed.is_destroyed() { "destroyed" } else { "there" });
        return print_json(&json);
    }
    say!("recording  {}", row.recording);
    say!("call       {}", row.call);
    say!("customer   {}", row.customer);
    say!("began      {}", row.started_at);
    say!("result     {}", result(row));
    say!("length     {} ms, {} pages", row.duration_ms, row.pages);
    say!("gaps       caller {}, receptionist {}", row.gaps[0], row.gaps[1]);
    say!("kept until {}", row.expiry);
    say!("keys       {}", if sealed.is_destroyed() { "destroyed" } else { "there" });
    match bytes {
        Some(bytes) => say!("file       {} ({bytes} bytes)", sealed.path.display()),
        None => say!("file       {}: not there", sealed.path.display()),
    }
    if let Some((at, why)) = &row.destroyed {
        say!("destroyed  {at}: {why}");
    }
    Ok(())
}

fn open(sealed: &Sealed) -> Result<Reader<File>, Failure> {
    let row = &sealed.row;
    if let Some((at, why)) = &row.destroyed {
        let what = format!("recording {} was destroyed at {at}: {why}", row.recording);
        return Err(Failure::failed(what, "nothing can bring it back").of_kind(Kind::NotFound));
    }
    if row.result.is_none() {
        let what = format!("recording {} is still being written", row.recording);
        return Err(Failure::failed(what, "wait for the call's end; after a crash, start the server once"));
    }
    if sealed.is_destroyed() {
        let what = format!("the keys of recording {} are destroyed", row.recording);
        return Err(Failure::failed(what, "nothing can bring it back").of_kind(Kind::NotFound));
    }
    sealed.open().map_err(|error| {
        let advice =
            "keep the file as it is and compare it with a backup; nothing of it is played or written";
        Failure::failed(format!("{}: {error}", sealed.path.display()), advice).of_kind(Kind::NotValid)
    })
}

fn verify(sealed: &Sealed, context: &Context) -> Result<(), Failure> {
    let mut reader = open(sealed)?;
    let ending = reader.ending();
    let (pages, length) = (reader.pages(), ending.duration_ms);
    let codecs = codecs(&mut reader).map_err(|error| {
        let advice = "keep the file as it is: it is whole, but no recorder of ours wrote what it says";
        Failure::failed(format!("{}: {error}", sealed.path.display()), advice).of_kind(Kind::NotValid)
    })?;
    let names = |slot: &Vec<Codec>| slot.iter().map(|codec| codec.name()).collect::<Vec<_>>();
    let codecs: Vec<_> = codecs.iter().map(names).collect();
    if context.json {
        return print_json(&serde_json::json!({
            "recording": sealed.row.recording, "whole": true, "pages": pages, "duration_ms": length,
            "codecs": codecs,
        }));
    }
    say!("{}: whole: {pages} pages, {length} ms, every page opens", sealed.row.recording);
    let voices: Vec<String> = codecs.iter().map(|slot| slot.join(", ")).collect();
    say!("codecs     caller first: {}", voices.join(" | "));
    Ok(())
}

fn form_of(out: &Path) -> Option<Form> {
    match out.extension()?.to_str()? {
        "wav" => Some(Form::Wav),
        "ogg" | "opus" => Some(Form::Ogg),
        _ => None,
    }
}

fn unknown_form(out: &Path) -> Failure {
    let what = format!("{} ends neither with .wav nor with .ogg", out.display());
    Failure::failed(what, "name the file so, or add --format wav or --format ogg")
}

fn export(sealed: &Sealed, out: &Path, form: Form) -> Result<(), Failure> {
    let mut reader = open(sealed)?;
    let unwritable = |error: &dyn std::fmt::Display| {
        Failure::failed(
            format!("{}: {error}", out.display()),
            "name a new file in a folder that can be written",
        )
    };
    let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(out);
    let mut file = BufWriter::new(file.map_err(|error| unwritable(&error))?);
    let written = match form {
        Form::Wav => wav(&mut reader, &mut file),
        Form::Ogg => ogg_opus(&mut reader, &mut file),
    };
    let flushed = written.map_err(|error| unwritable(&error)).and_then(|written| {
        file.flush()
            .and_then(|()| file.get_ref().sync_all())
            .map_err(|error| unwritable(&error))
            .map(|()| written)
    });
    match flushed {
        Ok(written) => {
            say!(
                "{}: {} ms, caller left, receptionist right. It is not sealed any more.",
                out.display(),
                written.ms()
            );
            Ok(())
        }
        Err(failure) => {
            // Half an export is worse than none: it would look whole.
            drop(std::fs::remove_file(out));
            Err(failure)
        }
    }
}

async fn destroy(rooms: &Rooms, context: &Context, which: &Which) -> Result<(), Failure> {
    let recording = which.recording;
    let row = rooms.store.recording(recording).await.map_err(database_failure)?;
    if row.result.is_none() && row.destroyed.is_none() {
        let what = format!("recording {recording} is still being written");
        return Err(Failure::failed(what, "wait for the call's end; after a crash, start the server once"));
    }
    audit::record(&rooms.store, "recording-destroy", &recording.to_string(), &which.why.purpose).await?;
    let retention = forgetting::retention(&context.settings, rooms.store.clone(), None);
    retention.destroy_recording(recording, "operator", clock::wall()).await.map_err(|error| {
        Failure::failed(error, "run the command again until it succeeds: what is destroyed stays so")
    })?;
    say!("{recording}: destroyed; no key, no file");
    Ok(())
}
