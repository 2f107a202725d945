"""What can be looked up, made from the code: manual pages for the package, pages for the site. No part of either."""
