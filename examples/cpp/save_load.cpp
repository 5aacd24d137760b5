// Keeps an adapter in a file and in bytes; what a missing and a damaged one give. See examples/README.md.
#include <filesystem>
#include <iterator>
#include <random>

#include "customers.hpp"

/// A new folder that goes with this object.
class TemporaryFolder {
public:
    TemporaryFolder() : path_(std::filesystem::temp_directory_path()) {
        path_ /= "supmer-save-load-" + std::to_string(std::random_device()());
        std::filesystem::create_directory(path_);
    }
    ~TemporaryFolder() { std::filesystem::remove_all(path_); }
    TemporaryFolder(const TemporaryFolder &) = delete;
    TemporaryFolder &operator=(const TemporaryFolder &) = delete;

    std::string file(const char *name) const { return (path_ / name).string(); }

private:
    std::filesystem::path path_;
};

static std::string_view status(const supmer::Result<supmer::Adapter> &loaded) {
    return supmer::name(loaded ? supmer::Status::ok : loaded.error().status());
}

static bool same(const std::vector<supmer::Prediction> &left, const std::vector<supmer::Prediction> &right) {
    for (std::size_t i = 0; i < left.size(); i++) {
        if (left[i].probabilities != right[i].probabilities) {
            return false;
        }
    }
    return left.size() == right.size();
}

static void save_load(const supmer::Model &model, const std::string &data) {
    const Customer bakery = Customer::read(data, "bakery");
    const auto learned = supmer::adapt(model, bakery.task, adapt_options(10)).value_or_throw().adapter;

    const TemporaryFolder folder;
    const std::string path = folder.file("bakery.supmer");
    learned.save(path).value_or_throw();
    const auto from_file = supmer::Adapter::load(path).value_or_throw();
    const auto bytes = learned.save_memory().value_or_throw();
    const auto from_bytes = supmer::Adapter::load_memory(bytes).value_or_throw();
    std::ifstream file(path, std::ios::binary);
    const std::vector<unsigned char> in_file{std::istreambuf_iterator<char>(file), {}};

    const auto texts = bakery.texts();
    const auto predictions = supmer::predict_batch(model, from_file, texts).value_or_throw();
    const bool same_after_loading =
        same(predictions, supmer::predict_batch(model, learned, texts).value_or_throw()) &&
        same(predictions, supmer::predict_batch(model, from_bytes, texts).value_or_throw());

    std::cout << "{\"program\":\"save_load\",\"bytes\":" << bytes.size()
              << ",\"file_equals_bytes\":" << (in_file == bytes) << ",";
    print_predictions(from_file, predictions);
    std::cout << ",\"same_after_loading\":" << same_after_loading << ",\"missing_file\":\""
              << status(supmer::Adapter::load(folder.file("missing.supmer"))) << "\",\"half_of_the_bytes\":\""
              << status(supmer::Adapter::load_memory({bytes.data(), bytes.size() / 2})) << "\"}\n";
}

int main(int count, char **arguments) { return run(count, arguments, save_load); }
