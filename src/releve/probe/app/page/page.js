"use strict";
// What the Flutter app does, by livekit-client. Whoever drives the page calls `app`; it answers with
// plain objects, and records what it says and hears: the arithmetic is done where the tests are.
const TRIES = 3;
const PAUSE_MS = 2000;
const { Room, RoomEvent, Track } = LivekitClient;

const pause = (ms) => new Promise((done) => setTimeout(done, ms));

const until = async (holds, ms) => {
  const end = performance.now() + ms;
  while (!holds() && performance.now() < end) await pause(20);
  return holds();
};

const app = {
  room: null,
  played: null, // the first remote audio track: {track, identity, at}
  lost: null,
  texts: [],

  // Joins as often as the app tries it.
  async join(url, token) {
    const began = performance.now();
    for (this.tries = 1; ; this.tries += 1) {
      try {
        this.begin();
        await this.room.connect(url, token);
        break;
      } catch (error) {
        if (this.tries === TRIES) throw error;
        await pause(PAUSE_MS);
      }
    }
    this.began = began;
    return { tries: this.tries, join_s: (performance.now() - began) / 1000 };
  },

  async publish() {
    await this.room.localParticipant.setMicrophoneEnabled(true);
  },

  begin() {
    this.room = new Room({
      adaptiveStream: true,
      dynacast: true,
      publishDefaults: { dtx: true },
      // A phone's clean-up of its microphone would take the bed tone for noise.
      audioCaptureDefaults: {
        echoCancellation: false,
        noiseSuppression: false,
        autoGainControl: false,
      },
    });
    this.played = this.lost = null;
    this.texts = [];
    const got = (way, text) => this.texts.push({ way, text });
    this.room.registerTextStreamHandler("lk.transcription", async (reader) =>
      got("text stream", await reader.readAll()),
    );
    this.room
      .on(RoomEvent.TrackSubscribed, (track, _publication, participant) => {
        if (track.kind !== Track.Kind.Audio || this.played !== null) return;
        track.attach(); // without an element no samples flow
        this.played = { track, identity: participant.identity, at: performance.now() };
      })
      .on(RoomEvent.TranscriptionReceived, (segments) =>
        got("transcription event", segments.map((segment) => segment.text).join("")),
      )
      .on(RoomEvent.DataReceived, (payload) =>
        got("data message", new TextDecoder().decode(payload)),
      )
      .on(RoomEvent.ParticipantAttributesChanged, (changed) =>
        got("attributes", changed["lk.agent.state"] ?? ""),
      )
      .on(RoomEvent.Disconnected, (reason) => {
        this.lost = `disconnected (${reason})`;
      });
  },

  // Waits until an agent is there and something is heard; says what is so then.
  async meet(seconds) {
    const left = seconds * 1000 - (performance.now() - this.began);
    await until(() => this.lost || (this.agents().length && this.played), left);
    return this.state();
  },

  agents() {
    const others = [...this.room.remoteParticipants.values()].map((one) => one.identity);
    return others.filter((identity) => identity.includes("agent"));
  },

  state() {
    return {
      agents: this.agents(),
      others: [...this.room.remoteParticipants.values()].map((one) => one.identity),
      played: this.played && this.played.identity,
      audio_s: this.played && (this.played.at - this.began) / 1000,
      lost: this.lost,
    };
  },

  // Records the microphone and what is heard, on one clock, and sends both away.
  async record(seconds) {
    const context = new AudioContext({ sampleRate: 48000 });
    await context.audioWorklet.addModule("/recorder.js");
    const recorder = new AudioWorkletNode(context, "recorder", { numberOfInputs: 2 });
    const blocks = [];
    recorder.port.onmessage = ({ data }) => blocks.push(data);
    const mine = this.room.localParticipant.getTrackPublication(Track.Source.Microphone).track;
    [mine, this.played.track].forEach((track, input) => {
      const source = context.createMediaStreamSource(new MediaStream([track.mediaStreamTrack]));
      source.connect(recorder, 0, input);
    });
    recorder.connect(context.destination); // so that it is asked for samples; it gives silence
    await context.resume();
    await pause(seconds * 1000);
    await context.close();
    await fetch("/recording", { method: "POST", body: new Blob(blocks) });
    return this.state();
  },

  async say(text) {
    await this.room.localParticipant.publishData(new TextEncoder().encode(text), {
      reliable: true,
    });
  },

  async arrived(count, seconds) {
    await until(() => new Set(this.texts.map((text) => text.way)).size >= count, seconds * 1000);
    return this.texts;
  },

  async leave() {
    await this.room.disconnect();
  },
};
