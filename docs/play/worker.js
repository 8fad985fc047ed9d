// Runs podvet beside the page, so that the page never waits for it. The page sends {id, call, args}, and gets
// {id, answer} or {id, failed}; {ready} and {gone} stand for the worker itself.
"use strict";
importScripts("wasm_exec.js");

// load takes podvet as it was built, packed. Some file servers unpack it on the way.
async function load() {
  const file = await fetch("podvet.wasm.gz");
  if (!file.ok) throw new Error(`podvet.wasm.gz cannot be loaded: HTTP status ${file.status}`);
  let bytes = await file.arrayBuffer();
  const head = new Uint8Array(bytes, 0, 2);
  if (head[0] === 0x1f && head[1] === 0x8b) {
    bytes = await new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).arrayBuffer();
  }
  const go = new Go();
  const {instance} = await WebAssembly.instantiate(bytes, go.importObject);
  go.run(instance).finally(() => postMessage({gone: true})); // it only ends when something is wrong
  postMessage({ready: true, longest: podvet.longest});
}

const loaded = load().catch(problem => postMessage({failed: problem.message}));

onmessage = async ({data: {id, call, args}}) => {
  await loaded;
  let answer;
  try {
    answer = podvet[call](...args);
  } catch (problem) {
    answer = {failed: problem.message};
  }
  if (typeof answer === "string") postMessage({id, answer});
  else postMessage({id, failed: answer?.failed ?? "podvet has ended"});
};
