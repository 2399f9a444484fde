import { CLOSE_OBJECT, COMMA } from '../std/json/bytes.ts';
import { Kind } from '../std/json/document.ts';
import type { Envelope, Stage } from './envelope.ts';

const WITH_USAGE = ',"stream_options":{"include_usage":true';

/**
 * Outbound Adapter: the body as the vendor gets it: the canonical one plus what the gateway adds. In byte-exact mode the
 * client's own bytes, not copied.
 *
 * Usage of a stream is asked for where the provider can tell it; the relay takes it out again for a client that did not.
 * A dialect that always tells has nothing to be asked for.
 */
export const outboundAdapter: Stage = {
  name: 'outbound_adapter',
  run(envelope) {
    const { additionsAt, canonical, document, edits, input, request, route } = envelope;
    const { streamOptionsEnd, streamOptionsStart } = envelope;
    envelope.usageAdded = false;
    if (input.passthrough) {
      envelope.body = [input.body];
      return;
    }
    if (request.stream && !request.usageRequested && route.provider.profile.streamUsage) {
      envelope.usageAdded = true;
      if (streamOptionsStart < 0) edits.add(additionsAt, additionsAt, `${WITH_USAGE}}`);
      else edits.add(streamOptionsStart, streamOptionsEnd, withUsage(envelope));
    }
    envelope.body = edits.apply(canonical, document.bytes);
  },
};

/** The client's `stream_options` member with `include_usage` set; null counts as none, other members are kept. */
function withUsage({ canonical, document, request }: Envelope): string {
  const options = request.streamOptionsNode;
  if (document.kind(options) !== Kind.Object) return `${WITH_USAGE}}`;
  const start = canonical.length;
  canonical.ascii(WITH_USAGE);
  const end = document.next(options);
  for (let key = options + 1; key < end; key = document.next(key + 1)) {
    if (document.textEquals(key, 'include_usage')) continue;
    canonical.byte(COMMA);
    canonical.member(document, key);
  }
  canonical.byte(CLOSE_OBJECT);
  const text = canonical.text(start);
  canonical.truncate(start);
  return text;
}
