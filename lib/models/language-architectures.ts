import type { Architecture, Shapes } from "./architecture.js";
import {
  BertForMaskedLM, BertForMultipleChoice, BertForQuestionAnswering, BertForSequenceClassification, BertForTokenClassification, BertModel,
} from "./bert/index.js";
import type { ConfigFile } from "./config.js";
import {
  DistilBertForMaskedLM, DistilBertForMultipleChoice, DistilBertForQuestionAnswering, DistilBertForSequenceClassification,
  DistilBertForTokenClassification, DistilBertModel,
} from "./distilbert/index.js";
import { GPT2ForSequenceClassification, GPT2LMHeadModel, GPT2Model } from "./gpt2/index.js";
import { languageArchitecture } from "./language-model.js";
import { LSTMLanguageModel, Seq2SeqLSTM } from "./lstm/index.js";
import type { Config, PretrainedModel } from "./pretrained-model.js";
import {
  RobertaForMaskedLM, RobertaForMultipleChoice, RobertaForQuestionAnswering, RobertaForSequenceClassification, RobertaForTokenClassification,
  RobertaModel,
} from "./roberta/index.js";
import { MT5EncoderModel, MT5ForConditionalGeneration, MT5Model, T5EncoderModel, T5ForConditionalGeneration, T5Model, untiedByFile } from "./t5/index.js";

// Language models by the names of Hugging Face's classes. Older files hold the numbers of places, and models without a pooler
// may come from files of models with one.

const whole = { ignored: /position_ids$/ };
const noPooler = { ignored: /position_ids$|(^|\.)pooler\./ };
const noPretraining = { ignored: /position_ids$|(^|\.)pooler\.|^cls\.seq_relationship\./ };

const bert = { prefix: "bert" };
const roberta = { prefix: "roberta" };
const gpt2 = { prefix: "transformer", ignored: /\.attn\.(masked_)?bias$/ }; // older files hold the causal mask
const distilbert = { prefix: "distilbert", ...whole };

/** T5 with its head tied or not as the file has it. */
function t5<Model extends PretrainedModel>(modelType: string, Class: new (config: ConfigFile) => Model): Architecture<Model> {
  const build = (config: Config, shapes: Shapes) => new Class(untiedByFile({ ...config, model_type: modelType }, shapes));
  // Older files have a bias for the distance to the encoder's tokens, which is not used.
  return { build, modelType, ignored: /EncDecAttention\.relative_attention_bias/ };
}
// Older files have that bias in the decoder's attention to the encoder.
const noHead = { ignored: /^lm_head\.|EncDecAttention\.relative_attention_bias/ };
const encoderOnly = { ignored: /^decoder\.|^lm_head\./ };

export const languageArchitectures = {
  BertModel: languageArchitecture("bert", BertModel, { ...bert, ...whole, standing: true }),
  BertForSequenceClassification: languageArchitecture("bert", BertForSequenceClassification, { ...bert, ...whole }),
  BertForMultipleChoice: languageArchitecture("bert", BertForMultipleChoice, { ...bert, ...whole }),
  BertForTokenClassification: languageArchitecture("bert", BertForTokenClassification, { ...bert, ...noPooler }),
  BertForQuestionAnswering: languageArchitecture("bert", BertForQuestionAnswering, { ...bert, ...noPooler }),
  BertForMaskedLM: languageArchitecture("bert", BertForMaskedLM, { ...bert, ...noPretraining }),
  RobertaModel: languageArchitecture("roberta", RobertaModel, { ...roberta, ...whole, standing: true }),
  RobertaForSequenceClassification: languageArchitecture("roberta", RobertaForSequenceClassification, { ...roberta, ...noPooler }),
  RobertaForMultipleChoice: languageArchitecture("roberta", RobertaForMultipleChoice, { ...roberta, ...whole }),
  RobertaForTokenClassification: languageArchitecture("roberta", RobertaForTokenClassification, { ...roberta, ...noPooler }),
  RobertaForQuestionAnswering: languageArchitecture("roberta", RobertaForQuestionAnswering, { ...roberta, ...noPooler }),
  RobertaForMaskedLM: languageArchitecture("roberta", RobertaForMaskedLM, { ...roberta, ...noPooler }),
  DistilBertModel: languageArchitecture("distilbert", DistilBertModel, { ...distilbert, standing: true }),
  DistilBertForSequenceClassification: languageArchitecture("distilbert", DistilBertForSequenceClassification, distilbert),
  DistilBertForMultipleChoice: languageArchitecture("distilbert", DistilBertForMultipleChoice, distilbert),
  DistilBertForTokenClassification: languageArchitecture("distilbert", DistilBertForTokenClassification, distilbert),
  DistilBertForQuestionAnswering: languageArchitecture("distilbert", DistilBertForQuestionAnswering, distilbert),
  DistilBertForMaskedLM: languageArchitecture("distilbert", DistilBertForMaskedLM, distilbert),
  GPT2Model: languageArchitecture("gpt2", GPT2Model, { ...gpt2, standing: true }),
  GPT2LMHeadModel: languageArchitecture("gpt2", GPT2LMHeadModel, gpt2),
  GPT2ForSequenceClassification: languageArchitecture("gpt2", GPT2ForSequenceClassification, { ...gpt2, ignored: /\.attn\.(masked_)?bias$|^lm_head\./ }),
  T5ForConditionalGeneration: t5("t5", T5ForConditionalGeneration),
  T5Model: languageArchitecture("t5", T5Model, noHead),
  T5EncoderModel: languageArchitecture("t5", T5EncoderModel, encoderOnly),
  MT5ForConditionalGeneration: t5("mt5", MT5ForConditionalGeneration),
  MT5Model: languageArchitecture("mt5", MT5Model, noHead),
  MT5EncoderModel: languageArchitecture("mt5", MT5EncoderModel, encoderOnly),
  LSTMLanguageModel: languageArchitecture("lstm_language_model", LSTMLanguageModel, { standing: true }),
  Seq2SeqLSTM: languageArchitecture("seq2seq_lstm", Seq2SeqLSTM, { standing: true }),
};
