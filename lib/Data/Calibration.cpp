#include "anybit/Data/Calibration.h"
#include "anybit/Data/Npy.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/Path.h"

using namespace llvm;

namespace anybit::data {

constexpr size_t maxProblems = 8;

namespace {

enum class FileKind { Other, Npy, Npz, Picture };

} // namespace

static FileKind kindOf(StringRef path) {
  std::string extension = sys::path::extension(path).lower();
  if (extension == ".npy")
    return FileKind::Npy;
  if (extension == ".npz")
    return FileKind::Npz;
  bool picture = extension == ".jpg" || extension == ".jpeg" || extension == ".png";
  return picture ? FileKind::Picture : FileKind::Other;
}

namespace {

struct FileList {
  FileKind kind = FileKind::Other;
  std::vector<std::string> paths;
};

} // namespace

/// The usable files of a directory, sorted; hidden files and files of other kinds are passed over.
static Expected<FileList> listDirectory(StringRef path) {
  FileList list;
  std::error_code code;
  for (sys::fs::directory_iterator it(path, code), end; !code && it != end; it.increment(code)) {
    FileKind kind = kindOf(it->path());
    if (kind == FileKind::Other || sys::path::filename(it->path()).starts_with(".") ||
        sys::fs::is_directory(it->path()))
      continue;
    if (list.kind != FileKind::Other && list.kind != kind)
      return createStringError("calibration directory '" + path +
                               "' mixes .npy, .npz and pictures; keep one kind in it");
    list.kind = kind;
    list.paths.push_back(it->path());
  }
  if (code)
    return createStringError("cannot read calibration directory '" + path + "': " + code.message());
  if (list.paths.empty())
    return createStringError("calibration directory '" + path +
                             "' has no files ending in .npy, .npz, .jpg, .jpeg or .png (it is searched without its "
                             "subdirectories)");
  sort(list.paths);
  return list;
}

static Expected<FileList> listFiles(StringRef path) {
  sys::fs::file_status status;
  if (std::error_code code = sys::fs::status(path, status))
    return createStringError("cannot read calibration path '" + path + "': " + code.message() +
                             "; give a .npy or .npz file, or a directory of .npy, .npz, .jpg, .jpeg or .png files");
  if (sys::fs::is_directory(status))
    return listDirectory(path);
  FileList list{kindOf(path), {path.str()}};
  if (list.kind == FileKind::Other)
    return createStringError("calibration file '" + path + "' does not end in .npy, .npz, .jpg, .jpeg or .png");
  return list;
}

/// Dimensions of one row: without the batch.
static ArrayRef<int64_t> rowDims(ArrayRef<int64_t> dims) { return dims.drop_front(!dims.empty()); }

static bool matches(ArrayRef<int64_t> dims, ArrayRef<int64_t> pattern) {
  return dims.size() == pattern.size() && all_of(zip(dims, pattern), [](auto pair) {
           return std::get<1>(pair) < 0 || std::get<0>(pair) == std::get<1>(pair);
         });
}

/// Checks an array against its input and gives a single row its first axis.
static Expected<int64_t> rowsOf(const InputSpec &input, ElementType type, SmallVectorImpl<int64_t> &dims) {
  ArrayRef<int64_t> row = rowDims(input.dims);
  if (dims.size() == row.size() && matches(dims, row))
    dims.insert(dims.begin(), 1);
  if (type == input.type && matches(rowDims(dims), row) && dims.size() == row.size() + 1)
    return dims.front();
  std::string wanted = "N" + (row.empty() ? "" : "x" + shapeText(row));
  return createStringError("input '" + input.name + "' needs " + elementName(input.type) + " of shape " + wanted +
                           " (N samples), not " + elementName(type) + " of shape " + shapeText(dims));
}

struct CalibrationSource::Impl {
  std::vector<InputSpec> inputs;
  FileList files;
  PreprocessOptions options;
  int64_t batch = 1;
  std::vector<int64_t> ends; ///< Rows of the files up to and with this one.
  size_t loaded = SIZE_MAX;
  std::vector<Array> arrays; ///< Of the file `loaded`, one per input, with the row axis.

  Error prepare(std::optional<PreprocessOptions> preprocess);
  Error prepareBatch();
  Error countRows();
  Expected<int64_t> countRowsOf(size_t file);
  Expected<std::vector<Array>> read(size_t file);
  Expected<std::vector<Array>> select(NamedArrays named);
  Error load(size_t file);
  Error appendRow(int64_t row, std::vector<Array> &sample);
};

Error CalibrationSource::Impl::prepareBatch() {
  int64_t fixed = -1;
  for (const InputSpec &input : inputs) {
    int64_t first = input.dims.empty() ? -1 : input.dims.front();
    if (first < 0)
      continue;
    if (first == 0 || (fixed > 0 && fixed != first))
      return createStringError("input '" + input.name + "' has the shape " + shapeText(input.dims) +
                               "; for calibration the first dimensions of all inputs must be equal and not 0");
    fixed = first;
  }
  batch = std::max<int64_t>(fixed, 1);
  return Error::success();
}

Error CalibrationSource::Impl::prepare(std::optional<PreprocessOptions> preprocess) {
  bool pictures = files.kind == FileKind::Picture;
  if (inputs.empty())
    return createStringError("the model has no inputs to calibrate with");
  if (inputs.size() > 1 && files.kind != FileKind::Npz)
    return createStringError("the model has " + Twine(inputs.size()) +
                             " inputs; give their samples as .npz with one array per input, named like the input");
  if (pictures && !preprocess)
    return createStringError("pictures need --preprocess: imagenet, tf, unit, raw, or size=..,crop=..,mean=..,std=..");
  if (!pictures && preprocess)
    return createStringError("--preprocess is for pictures, but the calibration files are arrays; leave it out");
  if (Error error = prepareBatch())
    return error;
  if (!pictures)
    return countRows();
  if (inputs[0].type != ElementType::Float32)
    return createStringError("pictures become float32, but input '" + inputs[0].name + "' is " +
                             elementName(inputs[0].type) + "; give the samples as a .npy file");
  options = *preprocess;
  if (Error error = adaptToShape(options, inputs[0].dims))
    return error;
  for (size_t i = 0; i < files.paths.size(); ++i)
    ends.push_back(static_cast<int64_t>(i + 1));
  return Error::success();
}

Expected<int64_t> CalibrationSource::Impl::countRowsOf(size_t file) {
  if (files.kind == FileKind::Npy) {
    Expected<NpyHeader> header = readNpyHeader(files.paths[file]);
    if (!header)
      return header.takeError();
    Expected<int64_t> rows = rowsOf(inputs[0], header->type, header->dims);
    return rows ? std::move(rows) : createFileError(files.paths[file], rows.takeError());
  }
  if (Error error = load(file))
    return std::move(error);
  return arrays.front().dims.front();
}

Error CalibrationSource::Impl::countRows() {
  SmallVector<std::string, maxProblems> problems;
  int64_t total = 0;
  for (size_t file = 0; file < files.paths.size() && problems.size() < maxProblems; ++file) {
    Expected<int64_t> rows = countRowsOf(file);
    if (!rows)
      problems.push_back(toString(rows.takeError()));
    else if (AddOverflow(total, *rows, total))
      problems.push_back("more samples than 64 bits can count");
    ends.push_back(total);
  }
  if (problems.empty())
    return Error::success();
  return createStringError(join(problems, "\n"));
}

Expected<std::vector<Array>> CalibrationSource::Impl::select(NamedArrays named) {
  std::vector<Array> selected;
  for (const InputSpec &input : inputs) {
    auto found = find_if(named, [&](const auto &member) { return member.first == input.name; });
    bool only = found == named.end() && named.size() == 1 && inputs.size() == 1;
    if (only)
      found = named.begin();
    if (found == named.end())
      return createStringError("no array is named like input '" + input.name + "'; the file has " +
                               join(map_range(named, [](const auto &m) { return "'" + m.first + "'"; }), ", "));
    selected.push_back(std::move(found->second));
  }
  return selected;
}

Expected<std::vector<Array>> CalibrationSource::Impl::read(size_t file) {
  if (files.kind == FileKind::Npz) {
    Expected<NamedArrays> named = readNpz(files.paths[file]);
    if (!named)
      return named.takeError();
    Expected<std::vector<Array>> selected = select(std::move(*named));
    return selected ? std::move(selected) : createFileError(files.paths[file], selected.takeError());
  }
  Expected<Array> array = [&]() -> Expected<Array> {
    if (files.kind == FileKind::Npy)
      return readNpy(files.paths[file]);
    Expected<Image> image = readImage(files.paths[file]);
    if (!image)
      return image.takeError();
    Expected<Array> pixels = preprocess(*image, options);
    return pixels ? std::move(pixels) : createFileError(files.paths[file], pixels.takeError());
  }();
  if (!array)
    return array.takeError();
  std::vector<Array> arrays;
  arrays.push_back(std::move(*array));
  return arrays;
}

Error CalibrationSource::Impl::load(size_t file) {
  if (file == loaded)
    return Error::success();
  loaded = SIZE_MAX;
  Expected<std::vector<Array>> read = this->read(file);
  if (!read)
    return read.takeError();
  arrays = std::move(*read);
  for (auto [input, array] : zip_equal(inputs, arrays)) {
    Expected<int64_t> rows = rowsOf(input, array.type, array.dims);
    if (!rows)
      return createFileError(files.paths[file], rows.takeError());
    if (*rows != arrays.front().dims.front())
      return createFileError(files.paths[file], createStringError("inputs '" + inputs[0].name + "' and '" + input.name +
                                                                  "' have " + Twine(arrays.front().dims.front()) +
                                                                  " and " + Twine(*rows) + " samples"));
  }
  loaded = file;
  return Error::success();
}

Error CalibrationSource::Impl::appendRow(int64_t row, std::vector<Array> &sample) {
  size_t file = upper_bound(ends, row) - ends.begin();
  if (Error error = load(file))
    return error;
  int64_t rows = arrays.front().dims.front(), local = row - (ends[file] - rows);
  if (local < 0 || local >= rows)
    return createFileError(files.paths[file], createStringError("the file changed while it was in use"));
  for (auto [array, target] : zip_equal(arrays, sample)) {
    ArrayRef<int64_t> dims = rowDims(array.dims);
    if (!target.bytes.empty() && rowDims(target.dims) != dims)
      return createFileError(files.paths[file], createStringError("a sample of shape " + shapeText(dims) +
                                                                  " cannot be in one batch with one of " +
                                                                  shapeText(rowDims(target.dims))));
    size_t size = array.bytes.size() / rows;
    target.type = array.type;
    target.dims.assign(array.dims.begin(), array.dims.end());
    target.dims.front() = batch;
    target.bytes.insert(target.bytes.end(), array.bytes.begin() + local * size,
                        array.bytes.begin() + (local + 1) * size);
  }
  return Error::success();
}

CalibrationSource::CalibrationSource(std::unique_ptr<Impl> impl) : impl(std::move(impl)) {}
CalibrationSource::CalibrationSource(CalibrationSource &&) noexcept = default;
CalibrationSource &CalibrationSource::operator=(CalibrationSource &&) noexcept = default;
CalibrationSource::~CalibrationSource() = default;

Expected<CalibrationSource> CalibrationSource::open(StringRef path, ArrayRef<InputSpec> inputs,
                                                    std::optional<PreprocessOptions> preprocess) {
  Expected<FileList> files = listFiles(path);
  if (!files)
    return files.takeError();
  auto impl = std::make_unique<Impl>();
  impl->inputs.assign(inputs.begin(), inputs.end());
  impl->files = std::move(*files);
  if (Error error = impl->prepare(std::move(preprocess)))
    return std::move(error);
  if (impl->ends.back() < impl->batch)
    return createStringError("calibration path '" + path + "' has " + Twine(impl->ends.back()) +
                             " samples; the model needs at least " + Twine(impl->batch));
  return CalibrationSource(std::move(impl));
}

int64_t CalibrationSource::size() const { return impl->ends.back() / impl->batch; }

Expected<std::vector<Array>> CalibrationSource::sample(int64_t index) {
  if (index < 0 || index >= size())
    return createStringError("calibration sample " + Twine(index) + " does not exist; there are " + Twine(size()));
  std::vector<Array> sample(impl->inputs.size());
  for (int64_t row = index * impl->batch; row < (index + 1) * impl->batch; ++row)
    if (Error error = impl->appendRow(row, sample))
      return std::move(error);
  for (auto [input, array] : zip_equal(impl->inputs, sample))
    if (input.dims.empty())
      array.dims.clear();
  return sample;
}

} // namespace anybit::data
