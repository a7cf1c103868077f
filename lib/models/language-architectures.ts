import {
  BertForMaskedLM, BertForMultipleChoice, BertForQuestionAnswering, BertForSequenceClassification, BertForTokenClassification, BertModel,
} from "./bert/index.js";
import {
  DistilBertForMaskedLM, DistilBertForMultipleChoice, DistilBertForQuestionAnswering, DistilBertForSequenceClassification,
  DistilBertForTokenClassification, DistilBertModel,
} from "./distilbert/index.js";
import { languageArchitecture } from "./language-model.js";
import {
  RobertaForMaskedLM, RobertaForMultipleChoice, RobertaForQuestionAnswering, RobertaForSequenceClassification, RobertaForTokenClassification,
  RobertaModel,
} from "./roberta/index.js";

// Language models by the names of Hugging Face's classes. Older files hold the numbers of places, and models without a pooler
// may come from files of models with one.

const whole = { ignored: /position_ids$/ };
const noPooler = { ignored: /position_ids$|(^|\.)pooler\./ };
const noPretraining = { ignored: /position_ids$|(^|\.)pooler\.|^cls\.seq_relationship\./ };

const bert = { prefix: "bert" };
const roberta = { prefix: "roberta" };
const distilbert = { prefix: "distilbert", ...whole };

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
};
