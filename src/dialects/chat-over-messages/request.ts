import { claudeModel } from '../../models/claude.ts';
import type { RequestConversion } from '../conversion.ts';
import { Draft } from '../conversion/draft.ts';
import { FIELDS, loseTheRest, refuseInexpressible } from './request-fields.ts';
import { CarriedMarks } from './request-marks.ts';
import { MessagesConverter } from './request-messages.ts';
import {
  writeMaxTokens,
  writeOutputConfig,
  writeSampling,
  writeStop,
  writeTier,
  writeUser,
} from './request-options.ts';
import { thinkingOptions } from './request-thinking-options.ts';
import { writeToolChoice, writeTools } from './request-tools.ts';

const draft = new Draft();
const marks = new CarriedMarks();
const messages = new MessagesConverter(draft, marks);

/** What a part's `prompt_cache_breakpoint` becomes. */
const MARK = '{"type":"ephemeral"}';
const MARK_1H = '{"type":"ephemeral","ttl":"1h"}';

/**
 * A Chat Completions request for a vendor that speaks Messages. docs/conversions.md says what becomes of each field.
 *
 * One pass over the client's body: what means the same in both dialects is copied as it is spelled.
 */
export const toMessagesRequest: RequestConversion = (document, context) => {
  draft.open(document);
  marks.clear();
  try {
    FIELDS.read(document, 0);
    refuseInexpressible(draft);
    const { writer } = draft;
    const model = claudeModel(context.upstreamModel);
    writer.ascii('{"model":');
    writer.string(context.upstreamModel);
    messages.write(FIELDS.named('messages'), model, context.cacheTtl === '1h' ? MARK_1H : MARK);
    const hasTools = writeTools(draft, FIELDS.named('tools'), marks);
    const choice = FIELDS.named('tool_choice');
    const forced = writeToolChoice(draft, choice, FIELDS.named('parallel_tool_calls'), hasTools, model);
    const maxTokens = writeMaxTokens(draft, model);
    const { unsignedCalls } = messages;
    const { thinking, effort, budgeted } = thinkingOptions(draft, model, {
      maxTokens,
      forced,
      unsignedCalls,
    });
    if (thinking !== '') {
      writer.ascii(',"thinking":');
      writer.utf8(thinking);
    }
    writeOutputConfig(draft, effort);
    writeSampling(draft, model, budgeted);
    writeStop(draft);
    writeUser(draft);
    writeTier(draft);
    for (const name of ['stream', 'cache_control'] as const)
      if (FIELDS.named(name) >= 0) draft.member(name, FIELDS.named(name));
    // The vendor's automatic caching places a mark as well.
    if (FIELDS.named('cache_control') >= 0) marks.addOwn();
    marks.trim(writer);
    writer.ascii('}');
    loseTheRest(draft, marks.any);
    return draft.result();
  } finally {
    draft.close();
  }
};
