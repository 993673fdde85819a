#!/usr/bin/env python3
"""Speaks texts.toml into de/*.wav and en/*.wav, plays music/hold-music.wav, and lists versions and hashes in prompts.toml.

Needs Python 3.11, `pip install py-nanotts==0.1.1` (SVOX Pico, Apache-2.0) and sox from Debian. The audio is 8 kHz
mono 16-bit PCM, band-limited to 300-3400 Hz as G.711 carries it, peaks at -4 dBFS, with 150 ms of silence around.

    python3 config/prompts/make.py            make what is missing or changed
    python3 config/prompts/make.py --check    only say whether audio, texts and list agree
"""

import hashlib
import math
import pathlib
import struct
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


# The tune for callers on hold: broken chords over a slow bass, written here and nobody else's. Each bar is a bass note,
# four notes of a chord, and a note of melody (0 is a rest); MIDI numbers, 69 is 440 Hz.
BARS = [
    (48, (60, 64, 67, 72), 76), (45, (57, 60, 64, 69), 72), (41, (57, 60, 65, 69), 69), (43, (59, 62, 67, 71), 74),
    (48, (60, 64, 67, 72), 79), (40, (59, 64, 67, 71), 76), (41, (57, 60, 65, 69), 77), (43, (59, 62, 67, 71), 0),
    (45, (57, 60, 64, 69), 76), (50, (57, 62, 65, 69), 74), (43, (59, 62, 65, 71), 71), (48, (60, 64, 67, 72), 72),
    (41, (57, 60, 65, 69), 69), (45, (57, 60, 64, 69), 72), (43, (59, 62, 67, 71), 71), (48, (60, 64, 67, 72), 0),
]
BAR_S, RATE, MUSIC_VERSION = 2.0, 8000, 1
MUSIC = HERE / "music" / "hold-music.wav"


def pluck(samples: list[float], note: int, at: float, lasts: float, loud: float) -> None:
    """Adds one plucked note; what would sound beyond the end sounds at the beginning, so that the loop has no seam."""
    hertz = 440.0 * 2 ** ((note - 69) / 12)
    for step in range(int(lasts * RATE)):
        time = step / RATE
        envelope = min(time / 0.01, 1.0) * math.exp(-2.2 * time / lasts) * min((lasts - time) / 0.05, 1.0)
        tone = sum(math.sin(math.tau * hertz * k * time) / k**2 for k in (1, 2, 3) if hertz * k < 3400)
        samples[(int(at * RATE) + step) % len(samples)] += loud * envelope * tone


def play() -> None:
    samples = [0.0] * int(len(BARS) * BAR_S * RATE)
    for bar, (bass, chord, melody) in enumerate(BARS):
        begin = bar * BAR_S
        pluck(samples, bass + 12, begin, 2.4, 0.8)
        for beat, note in enumerate(chord + chord[2:0:-1] + chord[1:3]):
            pluck(samples, note, begin + beat * BAR_S / 8, 0.9, 0.35)
        if melody:
            pluck(samples, melody, begin + (BAR_S / 2 if bar % 4 == 3 else 0), 1.8, 0.6)
    # Soft: one hears it for minutes. Peaks at -14 dBFS.
    scale = 32767 * 10 ** (-14 / 20) / max(abs(sample) for sample in samples)
    MUSIC.parent.mkdir(exist_ok=True)
    with wave.open(str(MUSIC), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(RATE)
        out.writeframes(b"".join(struct.pack("<h", round(sample * scale)) for sample in samples))


def music_entry() -> str:
    return (
        f'[[prompt]]\nname = "hold-music"\nlanguage = "de"\nversion = {MUSIC_VERSION}\n'
        f'file = "music/hold-music.wav"\nsha256 = "{sha256(MUSIC.read_bytes())}"\n'
        f'text-sha256 = "{sha256(repr(BARS).encode())}"\n'
    )


def music_belongs(row: dict | None) -> bool:
    return (
        row is not None
        and row["version"] == MUSIC_VERSION
        and row["text-sha256"] == sha256(repr(BARS).encode())
        and MUSIC.exists()
        and row["sha256"] == sha256(MUSIC.read_bytes())
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
    if not music_belongs(known.get(("hold-music", "de"))):
        if check:
            wrong.append("music/hold-music: notes, audio and prompts.toml do not belong together")
        else:
            play()
            print("played", MUSIC.relative_to(HERE))
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
        + "\n"
        + music_entry()
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
