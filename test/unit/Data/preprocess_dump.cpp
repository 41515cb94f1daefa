// preprocess_dump PICTURE OPTIONS OUT.npy: what `--preprocess OPTIONS` makes of one picture.
#include "anybit/Data/Npy.h"
#include "anybit/Data/Preprocess.h"

#include "llvm/Support/raw_ostream.h"

using namespace llvm;
using namespace anybit::data;

static Error dump(StringRef picture, StringRef text, StringRef output) {
  Expected<PreprocessOptions> options = parsePreprocess(text);
  if (!options)
    return options.takeError();
  Expected<Image> image = readImage(picture);
  if (!image)
    return image.takeError();
  Expected<Array> array = preprocess(*image, *options);
  return array ? writeNpy(output, *array) : array.takeError();
}

int main(int argc, char **argv) {
  Error error = argc == 4 ? dump(argv[1], argv[2], argv[3]) : createStringError("three arguments are needed");
  if (!error)
    return 0;
  errs() << "error: " << toString(std::move(error)) << "\n";
  return 2;
}
