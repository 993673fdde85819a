//! The shipped prompts: `prompts.toml` lists them, and audio that does not have the listed hash is refused, since
//! consent receipts name it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;
use vorzimmer_media::{Codec, Prompt, RingBack, Sound};
use vorzimmer_types::consent::{Language, PromptVersion};

/// Every prompt, by name and language.
#[derive(Debug, Default)]
pub struct Prompts(HashMap<(String, Language), (Arc<Prompt>, PromptVersion)>);

/// Why the prompts cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PromptError {
    /// A file cannot be read.
    #[error("{path}: {why}; the configuration's media.prompts names the folder with prompts.toml", path = .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's words.
        why: std::io::Error,
    },
    /// The list is not what it should be.
    #[error("{path}: {why}", path = .path.display())]
    List {
        /// The file.
        path: PathBuf,
        /// The reader's words.
        why: Box<toml::de::Error>,
    },
    /// A prompt is no prompt.
    #[error("{path}: {why}", path = .path.display())]
    Audio {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: vorzimmer_media::Error,
    },
    /// Audio and list do not belong together.
    #[error("{path} is not the audio that prompts.toml lists; run config/prompts/make.py, or restore the file", path = .path.display())]
    OtherAudio {
        /// The file.
        path: PathBuf,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    prompt: Vec<Row>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Row {
    name: String,
    language: Language,
    version: u32,
    file: PathBuf,
    sha256: String,
    /// What `make.py` compares texts with; nothing to us.
    #[expect(dead_code, reason = "named so that the list may hold it and nothing unknown")]
    text_sha256: String,
}

impl Prompts {
    /// Reads every prompt of a folder into memory.
    ///
    /// # Errors
    /// [`PromptError`], naming the file.
    pub fn load(folder: &Path) -> Result<Self, PromptError> {
        let path = folder.join("prompts.toml");
        let text = std::fs::read_to_string(&path)
            .map_err(|why| PromptError::Unreadable { path: path.clone(), why })?;
        let list: List = toml::from_str(&text)
            .map_err(|why| PromptError::List { path: path.clone(), why: Box::new(why) })?;
        let mut prompts = HashMap::new();
        for row in list.prompt {
            let path = folder.join(&row.file);
            let wav =
                std::fs::read(&path).map_err(|why| PromptError::Unreadable { path: path.clone(), why })?;
            let prompt = Prompt::from_wav(&wav, row.version)
                .map_err(|why| PromptError::Audio { path: path.clone(), why })?;
            if hex::encode(prompt.hash()) != row.sha256 {
                return Err(PromptError::OtherAudio { path });
            }
            let version = PromptVersion {
                name: row.name.clone(),
                version: row.version,
                language: row.language,
                sha256: row.sha256,
            };
            prompts.insert((row.name, row.language), (Arc::new(prompt), version));
        }
        Ok(Self(prompts))
    }

    /// Encodes every prompt and tone in these codecs, so that no media worker has to.
    fn encode(&self, codecs: &[Codec]) {
        for codec in codecs {
            RingBack::prepare(*codec);
            Sound::Hold.clip().prepare(*codec);
            for (prompt, _) in self.0.values() {
                prompt.clip().prepare(*codec);
            }
        }
    }

    /// What is played.
    pub fn prompt(&self, name: &str, language: Language) -> Option<Arc<Prompt>> {
        self.entry(name, language).map(|(prompt, _)| Arc::clone(prompt))
    }

    /// What receipts say of it.
    pub fn version(&self, name: &str, language: Language) -> Option<PromptVersion> {
        self.entry(name, language).map(|(_, version)| version.clone())
    }

    fn entry(&self, name: &str, language: Language) -> Option<&(Arc<Prompt>, PromptVersion)> {
        self.0.get(&(name.to_owned(), language))
    }
}

/// Encodes what can be played in a thread of its own: a second's work that the start need not wait for. A clip that is
/// played before its turn is encoded then and there.
pub fn prepare(prompts: Arc<Prompts>, codecs: Vec<Codec>) {
    let thread = std::thread::Builder::new().name("prompts".to_owned());
    if let Err(error) = thread.spawn(move || prompts.encode(&codecs)) {
        tracing::warn!(%error, "prompts are encoded when they are first played");
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use vorzimmer_types::consent::Language;

    use super::{PromptError, Prompts};

    fn shipped() -> std::path::PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config/prompts")
    }

    #[test]
    fn every_shipped_prompt_is_there_in_both_languages() {
        let prompts = Prompts::load(&shipped()).unwrap();
        for name in ["greeting-default", "consent-ask", "consent-in-call", "withdrawn", "nobody-there"] {
            for language in [Language::De, Language::En] {
                assert!(prompts.prompt(name, language).is_some(), "{name} {language:?}");
                assert_eq!(prompts.version(name, language).unwrap().sha256.len(), 64);
            }
        }
        assert!(prompts.prompt("hold-music", Language::De).is_some());
        assert!(prompts.prompt("no-such-prompt", Language::De).is_none());
    }

    #[test]
    fn audio_that_was_exchanged_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let shipped = shipped();
        std::fs::create_dir(folder.path().join("de")).unwrap();
        std::fs::create_dir(folder.path().join("en")).unwrap();
        std::fs::create_dir(folder.path().join("music")).unwrap();
        for file in std::fs::read_dir(shipped.join("en"))
            .unwrap()
            .chain(std::fs::read_dir(shipped.join("de")).unwrap())
            .chain(std::fs::read_dir(shipped.join("music")).unwrap())
        {
            let file = file.unwrap().path();
            let to = folder.path().join(file.strip_prefix(&shipped).unwrap());
            std::fs::copy(file, to).unwrap();
        }
        std::fs::copy(shipped.join("prompts.toml"), folder.path().join("prompts.toml")).unwrap();
        std::fs::copy(shipped.join("de/goodbye.wav"), folder.path().join("de/consent-ask.wav")).unwrap();
        assert!(matches!(Prompts::load(folder.path()), Err(PromptError::OtherAudio { .. })));
    }
}
