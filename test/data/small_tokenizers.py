# Small tokenizers of each kind, trained on the text in inputs["text"], and what they make of inputs["texts"].
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers


def wordpiece(lines):
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokenizer.train_from_iterator(lines, trainers.WordPieceTrainer(vocab_size=600, special_tokens=special, show_progress=False))
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    return tokenizer, {"tokenizer_class": "BertTokenizer", "pad_token": "[PAD]", "model_max_length": 64}


def cased_wordpiece(lines):
    tokenizer, config = wordpiece(lines)
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=False)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return tokenizer, {**config, "truncation_side": "left", "padding_side": "left"}


def byte_level(lines):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=700, special_tokens=["<|endoftext|>"], initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False)
    tokenizer.train_from_iterator(lines, trainer)
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    return tokenizer, {"tokenizer_class": "GPT2Tokenizer", "pad_token": "<|endoftext|>"}


def roberta(lines):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    trainer = trainers.BpeTrainer(vocab_size=700, special_tokens=special, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False)
    tokenizer.train_from_iterator(lines, trainer)
    tokenizer.add_special_tokens([AddedToken("<mask>", lstrip=True)])
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), trim_offsets=True, add_prefix_space=True)
    return tokenizer, {"tokenizer_class": "RobertaTokenizer", "pad_token": "<pad>"}


def unigram(lines):
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Replace(" {2,}", " ")])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    tokenizer.decoder = decoders.Metaspace(prepend_scheme="always")
    special = ["<pad>", "</s>", "<unk>"]
    tokenizer.train_from_iterator(lines, trainers.UnigramTrainer(vocab_size=500, special_tokens=special, unk_token="<unk>", show_progress=False))
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", pair="$A </s> $B </s>", special_tokens=[("</s>", 1)])
    return tokenizer, {"tokenizer_class": "T5Tokenizer", "pad_token": "<pad>"}


def byte_fallback(lines):
    special = ["<unk>", "<s>", "</s>"] + [f"<0x{byte:02X}>" for byte in range(256)]
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    words = [word for line in lines for word in line.split()]
    tokenizer.train_from_iterator(words, trainers.BpeTrainer(vocab_size=800, special_tokens=special, show_progress=False))
    return tokenizer, {"tokenizer_class": "LlamaTokenizer"}


kinds = [wordpiece, cased_wordpiece, byte_level, roberta, unigram, byte_fallback]


def make(folder, lines):
    import json, os
    found = {}
    for kind in kinds:
        tokenizer, config = kind(lines)
        place = os.path.join(folder, kind.__name__)
        os.makedirs(place)
        tokenizer.save(os.path.join(place, "tokenizer.json"))
        with open(os.path.join(place, "tokenizer_config.json"), "w") as file:
            json.dump(config, file)
        found[kind.__name__] = tokenizer
    return found


def told(encoding):
    return {"ids": encoding.ids, "typeIds": encoding.type_ids, "attentionMask": encoding.attention_mask, "tokens": encoding.tokens, "offsets": encoding.offsets}
