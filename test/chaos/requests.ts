/** One kind of request, and what a vendor that is whole answers to it. */
export interface ChaosRequest {
  readonly body: string;
  readonly stream: boolean;
  /** Status of a call to which nothing else happens. */
  readonly status: number;
  /** What the model says; '' where it says nothing. */
  readonly text: string;
}

/** Everything a vendor does, quickly; the status that comes of it where a client waits to the end. */
const DIRECTIVES: readonly (readonly [directive: string, status: number])[] = [
  ['', 200],
  ['[[sim:delay=10]]', 200],
  ['[[sim:interval=2]] [[sim:chunks=40]]', 200],
  ['[[sim:delay=300]] [[sim:interval=20]] [[sim:chunks=20]]', 200],
  ['[[sim:size=200000]]', 200],
  ['[[sim:keepalive=3]] [[sim:delay=20]]', 200],
  ['[[sim:break=0]]', 502],
  ['[[sim:break=2]]', 502],
  ['[[sim:reset=3]]', 502],
  ['[[sim:error=2]]', 200],
  ['[[sim:status=401]]', 502],
  ['[[sim:status=429]]', 429],
  ['[[sim:status=500]]', 500],
];

/** So many contents of each kind: many requests meet in one call, many do not. */
const CONTENTS = 24;

interface Whole {
  readonly choices?: readonly { readonly message: { readonly content: string } }[];
}

/** All requests there are, with the texts that the vendor itself answers. */
export async function chaosRequests(vendorUrl: string): Promise<ChaosRequest[]> {
  const made: Promise<ChaosRequest>[] = [];
  for (const [directive, status] of DIRECTIVES) {
    for (let content = 0; content < CONTENTS; content++) {
      const stream = content % 2 === 0;
      const body = JSON.stringify({
        model: 'gpt-4o',
        stream,
        messages: [{ role: 'user', content: `${directive} ${content}` }],
        max_tokens: 200,
      });
      made.push(saidBy(vendorUrl, body).then((text) => ({ body, stream, status, text })));
    }
  }
  return Promise.all(made);
}

/** Later than any answer ends: the vendor does not break off. */
const NEVER = '1000000';

/** The vendor's words, by a stream that goes to its end: a whole answer says what that does. */
async function saidBy(vendorUrl: string, body: string): Promise<string> {
  const response = await fetch(`${vendorUrl}/v1/chat/completions`, {
    method: 'POST',
    headers: {
      authorization: 'Bearer sk-up',
      'content-type': 'application/json',
      'x-sim-break': NEVER,
      'x-sim-reset': NEVER,
      'x-sim-error': NEVER,
      'x-sim-interval': '0',
    },
    body: JSON.stringify({ ...(JSON.parse(body) as object), stream: true }),
    signal: AbortSignal.timeout(10_000),
  });
  const answer = await response.text();
  return response.status === 200 ? understood(true, answer).text : '';
}

interface Chunk {
  readonly error?: unknown;
  readonly choices?: readonly {
    readonly delta: { readonly content?: string };
    readonly finish_reason: string | null;
  }[];
}

/** What a client has understood of an answer. */
export interface Understood {
  readonly text: string;
  /** It says that this is all. */
  readonly complete: boolean;
}

/** Reads an answer as a client does; throws on what no client can read. */
export function understood(stream: boolean, answer: string): Understood {
  if (!stream) {
    const { choices } = JSON.parse(answer) as Whole;
    return { text: choices![0]!.message.content, complete: true };
  }
  let text = '';
  let done = false;
  let finished = false;
  for (const record of answer.split('\n\n')) {
    if (!record.startsWith('data: ')) continue;
    if (done) throw new Error(`a record behind the last one: ${record}`);
    const data = record.slice('data: '.length);
    if (data === '[DONE]') {
      done = true;
      continue;
    }
    const { choices, error } = JSON.parse(data) as Chunk;
    if (error !== undefined) return { text, complete: false };
    text += choices?.[0]?.delta.content ?? '';
    finished ||= choices?.[0]?.finish_reason === 'stop';
  }
  return { text, complete: done && finished };
}
