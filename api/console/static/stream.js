// Server-sent events of a body that goes on, as {id, event, data}. The browser's own reader of them
// cannot send a key, so it is done here.

const LONGEST = 1_000_000;

export async function* messages(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      rest += value;
      const blocks = rest.split(/\r\n\r\n|\n\n|\r\r/);
      rest = blocks.pop();
      if (rest.length > LONGEST) throw new Error("an event of the stream is too long");
      for (const block of blocks) {
        const message = parsed(block);
        if (message) yield message;
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

/** One block of lines; null when it has nothing but comments. */
export function parsed(block) {
  const message = { id: "", event: "message", data: "" };
  const data = [];
  for (const line of block.split(/\r\n|\n|\r/)) {
    const [, name, value] = /^([^:]*)(?:: ?(.*))?$/s.exec(line);
    if (name === "data") data.push(value ?? "");
    else if (name === "id" || name === "event") message[name] = value ?? "";
  }
  message.data = data.join("\n");
  return message.id || message.data || message.event !== "message" ? message : null;
}
