import type { Envelope, Stage } from './envelope.ts';

/**
 * Outbound Adapter: the body as the vendor gets it: the canonical one plus what the gateway adds.
 *
 * Usage of a stream is asked for where the provider can tell it; the relay takes it out again for a client that did not.
 */
export const outboundAdapter: Stage = {
  name: 'outbound_adapter',
  run(envelope) {
    const { canonical, input, route } = envelope;
    envelope.usageAdded = false;
    if (input.passthrough) {
      envelope.body = input.body;
      return;
    }
    const addUsage = envelope.stream && !envelope.usageRequested && route.provider.profile.streamUsage;
    envelope.usageAdded = addUsage;
    let additions = envelope.cacheKey === null ? '' : `,"prompt_cache_key":"${envelope.cacheKey}"`;
    if (addUsage) additions += `,"stream_options":${mergedStreamOptions(envelope)}`;
    if (additions === '') {
      envelope.body = canonical.copy();
      return;
    }
    const cut = addUsage && envelope.streamOptionsStart >= 0;
    const head = canonical.view(0, envelope.additionsAt);
    const before = canonical.view(
      envelope.additionsAt,
      cut ? envelope.streamOptionsStart : envelope.additionsAt,
    );
    const after = canonical.view(cut ? envelope.streamOptionsEnd : envelope.additionsAt);
    envelope.body = Buffer.concat([head, Buffer.from(additions), before, after]);
  },
};

/** The client's stream options with `include_usage` set, its other members kept in their text. */
function mergedStreamOptions(envelope: Envelope): string {
  const { document, streamOptionsNode } = envelope;
  let members = '';
  if (streamOptionsNode >= 0) {
    const end = document.next(streamOptionsNode);
    for (let key = streamOptionsNode + 1; key < end; key = document.next(key + 1)) {
      if (!document.textEquals(key, 'include_usage'))
        members += `,${document.source(key)}:${document.source(key + 1)}`;
    }
  }
  return `{"include_usage":true${members}}`;
}
