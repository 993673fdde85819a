#!/usr/bin/env python3
"""Speaks texts.toml into de/*.wav and en/*.wav and lists versions and hashes in prompts.toml.

Needs Python 3.11, `pip install py-nanotts==0.1.1` (SVOX Pico, Apache-2.0) and sox from Debian. The audio is 8 kHz
mono 16-bit PCM, band-limited to 300-3400 Hz as G.711 carries it, peaks at -4 dBFS, with 150 ms of silence around.

    python3 config/prompts/make.py            make what is missing or changed
    python3 config/prompts/make.py --check    only say whether audio, texts and list agree
"""

import hashlib
import pathlib
import subprocess
import sys
import tempfile
import tomllib
import wave

HERE = pathlib.Path(__file__).resolve().parent
VOICES = {"de": "de-DE", "en": "en-GB"}


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def speak(text: str, voice: str, target: pathlib.Path) -> None:
    from py_nanotts import NanoTTS

    pcm = NanoTTS().speak(text, voice=voice, speed=1.0)
    with tempfile.NamedTemporaryFile(suffix=".wav") as raw:
        with wave.open(raw.name, "wb") as out:
            out.setnchannels(1)
            out.setsampwidth(2)
            out.setframerate(16000)
            out.writeframes(pcm)
        target.parent.mkdir(exist_ok=True)
        effects = "gain -6 sinc 300-3400 silence 1 0.02 0.3% reverse silence 1 0.02 0.3% reverse pad 0.15 0.15 norm -4"
        # -R: the same dither each time, so that the same words give the same bytes.
        subprocess.run(
            ["sox", "-R", raw.name, "-r", "8000", "-b", "16", "-c", "1", str(target), *effects.split()],
            check=True,
        )


def entry(name: str, language: str, words: dict, audio: pathlib.Path) -> str:
    return (
        f'[[prompt]]\nname = "{name}"\nlanguage = "{language}"\nversion = {words["version"]}\n'
        f'file = "{language}/{name}.wav"\nsha256 = "{sha256(audio.read_bytes())}"\n'
        f'text-sha256 = "{sha256(words[language].encode())}"\n'
    )


def belongs_together(words: dict, language: str, before: dict | None, audio: pathlib.Path) -> bool:
    return (
        before is not None
        and before["version"] == words["version"]
        and before["text-sha256"] == sha256(words[language].encode())
        and audio.exists()
        and before["sha256"] == sha256(audio.read_bytes())
    )


def main() -> int:
    check = "--check" in sys.argv[1:]
    texts = tomllib.loads((HERE / "texts.toml").read_text())
    listed = HERE / "prompts.toml"
    rows = tomllib.loads(listed.read_text())["prompt"] if listed.exists() else []
    known = {(row["name"], row["language"]): row for row in rows}
    wrong = []
    for name, words in texts.items():
        for language, voice in VOICES.items():
            audio = HERE / language / f"{name}.wav"
            before = known.get((name, language))
            if belongs_together(words, language, before, audio):
                continue
            if check:
                wrong.append(f"{language}/{name}: text, audio and prompts.toml do not belong together")
                continue
            changed = before is not None and before["text-sha256"] != sha256(words[language].encode())
            if changed and before["version"] == words["version"]:
                sys.exit(f"{name}: the words changed; raise its version in texts.toml first")
            speak(words[language], voice, audio)
            print("spoke", audio.relative_to(HERE))
    if check:
        print("\n".join(wrong) or "texts, audio and list agree")
        return 1 if wrong else 0
    head = "# Made by make.py from texts.toml; the server refuses audio that does not have these hashes.\n\n"
    listed.write_text(
        head
        + "\n".join(
            entry(name, language, words, HERE / language / f"{name}.wav")
            for name, words in texts.items()
            for language in VOICES
        )
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
