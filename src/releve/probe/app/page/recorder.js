"use strict";
// Puts two inputs side by side: blocks of SAMPLES of the first, then SAMPLES of the second.
const SAMPLES = 4800;

class Recorder extends AudioWorkletProcessor {
  constructor() {
    super();
    this.block = new Float32Array(2 * SAMPLES);
    this.count = 0;
  }

  process(inputs, [[out]]) {
    const frames = out.length; // 128; what has no sound yet gives no channel at all
    for (let k = 0; k < frames; k += 1) {
      inputs.forEach(([samples], input) => {
        this.block[input * SAMPLES + this.count] = samples ? samples[k] : 0;
      });
      this.count += 1;
      if (this.count === SAMPLES) {
        this.port.postMessage(this.block);
        this.block = new Float32Array(2 * SAMPLES);
        this.count = 0;
      }
    }
    return true;
  }
}

registerProcessor("recorder", Recorder);
