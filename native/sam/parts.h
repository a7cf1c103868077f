// The parts of a method: one small class per choice in the six places where the methods of the SAM family differ.
//   when     does a step perturb at all?
//   climb    which gradient climbs?
//   direction, ascent    in which direction, and how far?
//   split, descend       which samples climb together, which descend?
//   combine  how do the gradients become the direction that the base optimizer takes?
// Two published rules are no choice of these six: they are a `Rule`, the whole step.
#pragma once
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "step.h"

namespace steppe::sam {

// What a part remembers from step to step, by name, for the optimizer's state dict.
struct Memory {
  std::map<std::string, std::vector<double>*> numbers;
  std::map<std::string, Tensors*> tensors;  // one per parameter
  Tensors* batch = nullptr;                 // the last step's inputs
};

class Part {
 public:
  virtual ~Part() = default;
  // Before the first pass of a step: where random numbers are drawn, so that the passes' own come after them.
  virtual void begin(const Step&) {}
  // Memory moves when the step is known to be good: a skipped step leaves no trace.
  virtual void commit() {}
  virtual void discard() {}
  // Names what is to be saved; after the memory was loaded, `recalled` is called.
  virtual void remember(Memory&) {}
  virtual void recalled() { discard(); }
};

// Samples that are perturbed on their own.
struct Piece {
  Samples climb{}, descend{};
  double weight = 1;           // of this piece's gradient in the sum
  bool moves_buffers = true;   // false where a forward over more samples has moved them already
  bool reports_loss = true;    // likewise
};

class When : public Part {
 public:
  // Asked before any pass / with the gradient at w known. false: the step takes no perturbation.
  virtual bool before(const Step&) { return true; }
  virtual bool after(const Gradient&, const Step&) { return true; }
};

class Split : public Part {
 public:
  virtual std::vector<Piece> operator()(const Step& step, Report& report) = 0;
  // The numbers of samples that passes over a batch run over.
  virtual std::vector<int64_t> counts(int64_t batch_size) const = 0;
};

class Climb : public Part {
 public:
  // Takes a pass: it reports loss and norm, and moves the buffers. Otherwise the pass at w + ε does that.
  virtual bool takes_pass() const { return true; }
  // What its pass is of, if that is at w.
  virtual std::optional<Objective> at_w() const { return std::nullopt; }
  // A gradient with no tensors: there is nothing to climb yet.
  virtual Gradient operator()(const Step& step, const Piece& piece) = 0;
  // The direction that the step ended with, before clipping.
  virtual void observe(const Tensors& /*d*/) {}
};

// ε = ρ v / length. Without a length of its own that is norms·‖g‖, which g's pass may have measured.
struct Heading {
  Tensors v;
  std::optional<double> length{};
  double norms = 1;
};

class Direction : public Part {
 public:
  // g is 0 (undefined) where a parameter is not perturbed.
  virtual Heading operator()(Tensors g, const Step& step) = 0;
};

class Ascent : public Part {
 public:
  // Of g its tensors and norm.
  virtual Perturbation operator()(Gradient g, const Step& step, const Piece& piece) = 0;
};

class Descend : public Part {
 public:
  virtual Samples operator()(const Gradient&, const Perturbation&, const Step&, const Piece& piece) { return piece.descend; }
  virtual std::vector<int64_t> counts(int64_t) const { return {}; }
};

class Combine : public Part {
 public:
  // g at w, g_p at w + ε; their tensors may be taken. Undefined ones count as zero; undefined in both stays so.
  virtual Tensors operator()(Gradient& /*g*/, Gradient& g_p, const Perturbation&, const Step&, const Piece&) { return std::move(g_p.g); }
  // Whether it looks at the tensors of g, and at those of ε: else they are let go of before the second pass.
  virtual bool reads_gradient() const { return false; }
  virtual bool reads_perturbation() const { return false; }
  // A step that took no perturbation.
  virtual Tensors plain(const Gradient& g, const Step&) { return g.g; }
  // After the base optimizer's step.
  virtual void finish(const Step&) {}
};

// A whole step of its own.
class Rule : public Part {
 public:
  // The direction for the base optimizer; undefined for parameters that `finish` updates itself.
  virtual Tensors operator()(const Step& step, Report& report) = 0;
  virtual void finish(const Step&) {}
};

// A part as lib/optim writes it down.
struct PartSpec {
  std::string name;
  std::map<std::string, double> numbers;
  double operator[](const char* name) const { return numbers.at(name); }
};
using MethodSpec = std::map<std::string, PartSpec>;  // by place: "when", "climb", …

// A method is a list of parts. What its list does not name is SAM's choice.
struct Method {
  Method(const MethodSpec& spec, size_t parameters);

  std::unique_ptr<When> when;
  std::unique_ptr<Split> split;
  std::unique_ptr<Climb> climb;
  std::unique_ptr<Ascent> ascent;
  std::unique_ptr<Descend> descend;
  std::unique_ptr<Combine> combine;
  std::unique_ptr<Rule> rule;  // or null

  std::vector<Part*> parts() const;
};

// One factory per place; the file of the place has its table of names.
std::unique_ptr<When> make_when(const PartSpec& spec);
std::unique_ptr<Split> make_split(const PartSpec& spec);
std::unique_ptr<Climb> make_climb(const PartSpec& spec, size_t parameters);
std::unique_ptr<Direction> make_direction(const PartSpec& spec, size_t parameters);
std::unique_ptr<Ascent> make_ascent(const PartSpec& spec, std::unique_ptr<Direction> direction, size_t parameters);
std::unique_ptr<Descend> make_descend(const PartSpec& spec);
std::unique_ptr<Combine> make_combine(const PartSpec& spec, size_t parameters);
std::unique_ptr<Rule> make_rule(const PartSpec& spec, size_t parameters);

[[noreturn]] void fail_unknown_part(const char* place, const std::string& name);

// ⌈share · n⌉, ignoring the rounding of the product (0.1 · 30 is 3), from 1 (if there is one) to n.
int64_t share_of(double share, int64_t n);

}  // namespace steppe::sam
