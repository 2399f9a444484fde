import type { RequestConversion } from '../conversion.ts';
import { Draft } from '../conversion/draft.ts';
import { ChatMessageWriter } from './request-messages.ts';
import { chatModel } from './request-model.ts';
import {
  FIELDS,
  loseTheRest,
  refuseInexpressible,
  refuseTools,
  writeEffort,
  writeFormat,
  writeMaxTokens,
  writeSampling,
  writeStop,
  writeTier,
  writeUser,
} from './request-options.ts';
import type { PartMarks } from './request-parts.ts';
import { writeChatToolChoice, writeChatTools } from './request-tools.ts';

const draft = new Draft();
const messages = new ChatMessageWriter(draft);

/**
 * A Messages request for a vendor that speaks Chat Completions. docs/conversions.md says what becomes of each field.
 *
 * One pass over the client's body: what means the same in both dialects is copied as it is spelled.
 */
export const toChatRequest: RequestConversion = (document, context) => {
  draft.open(document);
  try {
    FIELDS.read(document, 0);
    refuseInexpressible(draft);
    const { writer } = draft;
    const model = chatModel(context.upstreamModel);
    const keepMarks = context.cacheMarks === true;
    const openaiFields = context.openaiFields === true;
    const breakpoints = openaiFields && model.breakpoints;
    const marks: PartMarks = keepMarks ? 'kept' : breakpoints ? 'breakpoints' : 'none';
    writer.ascii('{"model":');
    writer.string(context.upstreamModel);
    const hasTools = writeChatTools(draft, FIELDS.named('tools'), keepMarks);
    const rule = hasTools ? (context.toolsBesideEffort === true ? 'any_effort' : model.tools) : null;
    if (rule !== null) refuseTools(rule);
    writeChatToolChoice(draft, FIELDS.named('tool_choice'), hasTools);
    messages.write(FIELDS.named('system'), FIELDS.named('messages'), marks, {
      reasoningContent: context.reasoningContent === true,
      reasoningAlways: hasTools,
      emptyContent: model.emptyContent,
    });
    writeMaxTokens(draft, model);
    const effort = writeEffort(draft, model, rule);
    writeFormat(draft);
    writeSampling(draft, model, effort);
    writeStop(draft, model);
    writeUser(draft, model, openaiFields);
    writeTier(draft, model);
    if (FIELDS.named('stream') >= 0) draft.member('stream', FIELDS.named('stream'));
    if (keepMarks && FIELDS.named('cache_control') >= 0)
      draft.member('cache_control', FIELDS.named('cache_control'));
    writer.ascii('}');
    loseTheRest(draft);
    return draft.result();
  } finally {
    draft.close();
  }
};
