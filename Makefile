# setup: what is missing, configured    build: programs in build/bin    test: everything, through ctest
# demo: the main job on the model and pictures in examples/             clean: removes build/
# docs: the generated pages of docs/reference
BUILD ?= build
TEST_JOBS ?= 2
VENV := $(BUILD)/venv
BIN := $(VENV)/bin
CMAKE_FLAGS ?=

.PHONY: setup build test demo docs clean

setup: $(BUILD)/build.ninja

build: $(BUILD)/build.ninja
	@$(BIN)/ninja -C $(BUILD) --quiet

test: build
	@$(BIN)/ninja -C $(BUILD) --quiet test-programs
	@$(BIN)/ctest --test-dir $(BUILD) --output-on-failure --timeout 300 -j$(TEST_JOBS)

demo: build
	@$(BIN)/python examples/resnet8/demo.py

docs: build
	@$(BIN)/ninja -C $(BUILD) --quiet docs

clean:
	rm -rf $(BUILD)

$(BUILD)/.packages: utils/packages.txt utils/install_packages.sh
	@utils/install_packages.sh
	@mkdir -p $(BUILD)
	@touch $@

$(BUILD)/.venv: requirements.txt utils/make_venv.sh $(BUILD)/.packages
	@utils/make_venv.sh $(VENV)
	@touch $@

# Once: afterwards ninja reconfigures by itself when a CMakeLists.txt changes.
$(BUILD)/build.ninja: | $(BUILD)/.venv
	@$(BIN)/cmake -S . -B $(BUILD) -G Ninja -DCMAKE_BUILD_TYPE=Release \
	  -DCMAKE_MAKE_PROGRAM=$(abspath $(BIN)/ninja) -DCMAKE_C_COMPILER=clang-22 -DCMAKE_CXX_COMPILER=clang++-22 \
	  -DMLIR_DIR=/usr/lib/llvm-22/lib/cmake/mlir -DPython3_EXECUTABLE=$(abspath $(BIN)/python) $(CMAKE_FLAGS)
