// For a build without curses.
#include "client/ctl/complaint.h"
#include "client/ctl/screen.h"

namespace zipc::ctl {

Result<Screen> Screen::open() {
  return advised(Failure{Error::unsupported, "this zipcctl was built without curses"},
                 "install ncurses and build it again; zipcctl list prints the same once");
}

Screen::~Screen() = default;
ScreenSize Screen::size() const { return {}; }
void Screen::draw(const std::vector<ScreenLine>&) {}
std::optional<Key> Screen::key() { return {}; }
bool Screen::alive() const { return false; }

}  // namespace zipc::ctl
